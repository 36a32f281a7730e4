/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The control socket: operators' commands, asked over a UNIX stream socket.
 *
 * Request: one line of JSON, {"cmd":"table","args":["routes"],"output":"json"}; at most
 * CONTROL_REQUEST_MAX bytes with its newline. Response: one line of JSON, {"exit":0,"length":N} and
 * the N bytes that are to be printed, or {"exit":1,"error":"..."}; then the end of the connection.
 */
#include "base/time.h"
#include "status/control_request.h"
#include "status/show.h"

struct control;
struct control_call;
struct ev_loop;

#define CONTROL_PATH        "/run/kube-router/control.sock"
#define CONTROL_PATH_ENV    "KUBE_ROUTER_CONTROL_SOCKET"
#define CONTROL_ERROR_MAX   ((size_t)512) /* bytes of control_fail()'s text; the rest is cut off */
#define CONTROL_CLIENTS_MAX 16
/* For the request to come; for the handler; for the answer to be taken. */
#define CONTROL_TIMEOUT_US (10 * US_PER_S)

struct control_command {
	const char *name;
	/*
	 * Fills show (begun and ended by this) and then calls control_done() or control_fail(),
	 * once, now or later. args and show are valid until then, also when the client is gone or
	 * was told that it takes too long.
	 */
	void (*run)(void *arg, struct control_call *call, struct show *show,
		    const char *const *args, size_t n_args);
};

/*
 * Directory made (0750), socket 0660; a socket file that nobody answers on is replaced, one that is
 * answered is -EADDRINUSE. 0, or -errno with *ret_why, a text to free. commands is kept.
 */
int control_new(struct ev_loop *loop, const char *path, const struct control_command *commands,
		size_t n, void *arg, struct control **ret, char **ret_why);
/*
 * Closes and removes the socket. Calls that are still open end with it: their handlers must not
 * touch them any more.
 */
void control_free(struct control *c);

void control_done(struct control_call *call);
/* text: one line, copied, printed to the operator's stderr. */
void control_fail(struct control_call *call, int exit_code, const char *text);
