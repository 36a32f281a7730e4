/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests of servers: the simulated loop with real sockets. Time is virtual, so time limits cost
 * nothing; which descriptors are ready is asked of the kernel.
 */
#include "base/str.h"
#include "ev/ev.h"
#include "ev/sim.h"

/* Runs what is ready until nothing is any more. Does not move the clock. */
void test_io_pump(struct ev_loop *loop);
/* The same, then the clock moves and what is due runs; then pumps again. */
void test_io_advance(struct ev_loop *loop, int64_t us);

int test_io_connect_tcp(uint16_t port);                  /* to 127.0.0.1; not blocking */
int test_io_connect_unix(const char *path);              /* -1: refused */
void test_io_send(int fd, const char *data, size_t len); /* all of it, or fails */
/* Appends what is there; true when the other end has closed. */
bool test_io_recv(int fd, struct strbuf *out);
