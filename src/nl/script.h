/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The scripted transport, for tests: the test plays the kernel. What the code sends goes to
 * on_send, which pushes answers, errors or nothing into the socket's inbox. Runs on the simulated
 * loop.
 */
#include "nl/nl.h"

#define NL_SCRIPT_SOCKETS_MAX 8

struct nl_script;
struct nl_script_socket;

/* 0, or the -errno that sending gives. */
typedef int nl_script_send_fn(void *arg, struct nl_script_socket *s, const void *data, size_t len);

struct nl_script *nl_script_new(struct ev_loop *loop, nl_script_send_fn *on_send, void *arg);
void nl_script_free(struct nl_script *script); /* after the nl made with it */
struct nl_opener nl_script_opener(struct nl_script *script);
/* The opened socket of this name; NULL if none is open. */
struct nl_script_socket *nl_script_find(struct nl_script *script, const char *name);
const char *nl_script_name(const struct nl_script_socket *s);
size_t nl_script_sends(const struct nl_script_socket *s);

/* The next recv gives this datagram, or this error. */
void nl_script_push(struct nl_script_socket *s, const void *data, size_t len);
void nl_script_push_from(struct nl_script_socket *s, const void *data, size_t len, uint32_t sender);
void nl_script_push_err(struct nl_script_socket *s, int err);
/* A datagram that arrives cut: full_bytes is what it would have been. */
void nl_script_push_cut(struct nl_script_socket *s, const void *data, size_t len,
			size_t full_bytes);

/* Ready-made answers. text NULL: none. */
void nl_script_ack(struct nl_script_socket *s, uint32_t seq, int err, const char *text);
void nl_script_done(struct nl_script_socket *s, uint32_t seq, uint16_t flags, int err);
/* A message of a dump or a group, its body given. */
void nl_script_msg(struct nl_script_socket *s, uint16_t type, uint16_t flags, uint32_t seq,
		   const void *body, size_t len);
