/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"
#include "ev/ev.h"

struct end {
	struct bgp_link *link;
	unsigned msgs;
	uint32_t last_tag;
	bool in_order;
	int got_fd;
	char closed[64];
	struct ev_loop *loop;
	unsigned stop_after;
};

static void on_msg(void *arg, const struct bgp_ipc_msg *m, int fd)
{
	struct end *e = arg;

	e->in_order &= m->tag == e->last_tag + 1 || m->type == BGP_IPC_LISTEN;
	if (m->type != BGP_IPC_LISTEN)
		e->last_tag = m->tag;
	if (fd >= 0)
		e->got_fd = fd;
	if (++e->msgs == e->stop_after)
		ev_stop(e->loop);
}

static void on_closed(void *arg, const char *why)
{
	struct end *e = arg;

	(void)snprintf(e->closed, sizeof(e->closed), "%s", why);
	ev_stop(e->loop);
}

static void end_init(struct end *e, struct ev_loop *loop, int fd)
{
	const struct bgp_link_events events = { .arg = e, .msg = on_msg, .closed = on_closed };

	memset(e, 0, sizeof(*e));
	e->in_order = true;
	e->got_fd = -1;
	e->loop = loop;
	e->link = bgp_link_new(loop, fd, &events);
}

static void send_reports(struct bgp_link *l, unsigned n)
{
	for (unsigned i = 1; i <= n; i++) {
		const struct bgp_ipc_msg m = { .type = BGP_IPC_REPORT, .tag = i };

		bgp_link_send(l, &m, -1);
	}
}

/* More than the socket takes at once: nothing lost, nothing out of order. */
static void test_many(void **state)
{
	struct ev_loop *loop = ev_new_real();
	struct end a, b;
	int fd[2];

	(void)state;
	CHECK("pair", bgp_link_pair(fd) == 0);
	end_init(&a, loop, fd[0]);
	end_init(&b, loop, fd[1]);
	b.stop_after = 200000;
	send_reports(a.link, 200000);
	ev_run(loop);
	CHECK("all", b.msgs == 200000);
	CHECK("in order", b.in_order);
	bgp_link_free(a.link);
	bgp_link_free(b.link);
	ev_free(loop);
}

static void test_descriptor(void **state)
{
	const struct bgp_ipc_msg listen = { .type = BGP_IPC_LISTEN };
	struct ev_loop *loop = ev_new_real();
	struct end a, b;
	int fd[2], pipe_fd[2];
	char c = 0;

	(void)state;
	CHECK("pair", bgp_link_pair(fd) == 0);
	CHECK("pipe", pipe2(pipe_fd, O_CLOEXEC) == 0);
	end_init(&a, loop, fd[0]);
	end_init(&b, loop, fd[1]);
	b.stop_after = 3;
	send_reports(a.link, 1);
	bgp_link_send(a.link, &listen, pipe_fd[1]);
	send_reports(a.link, 1);
	(void)close(pipe_fd[1]);
	ev_run(loop);
	CHECK("came", b.got_fd >= 0);
	CHECK("close-on-exec", fcntl(b.got_fd, F_GETFD) & FD_CLOEXEC);
	CHECK("the same pipe", write(b.got_fd, "x", 1) == 1 && read(pipe_fd[0], &c, 1) == 1);
	(void)close(b.got_fd);
	(void)close(pipe_fd[0]);
	bgp_link_free(a.link);
	bgp_link_free(b.link);
	ev_free(loop);
}

static void test_other_end_closes(void **state)
{
	struct ev_loop *loop = ev_new_real();
	struct end a;
	int fd[2];

	(void)state;
	CHECK("pair", bgp_link_pair(fd) == 0);
	end_init(&a, loop, fd[0]);
	(void)close(fd[1]);
	send_reports(a.link, 1);
	ev_run(loop);
	CHECK("told", *a.closed != '\0');
	send_reports(a.link, 1); /* harmless from then on */
	bgp_link_free(a.link);
	ev_free(loop);
}

static void test_nonsense(void **state)
{
	struct ev_loop *loop = ev_new_real();
	struct end a;
	int fd[2];

	(void)state;
	CHECK("pair", bgp_link_pair(fd) == 0);
	end_init(&a, loop, fd[0]);
	CHECK("sent", send(fd[1], "\xff\xff\xff", 3, 0) == 3);
	ev_run(loop);
	CHECK_STR("told", a.closed, "a malformed record");
	CHECK("nothing came", a.msgs == 0);
	(void)close(fd[1]);
	bgp_link_free(a.link);
	ev_free(loop);
}

/* An end that does not read costs a bounded queue, then the link. */
static void test_ceiling(void **state)
{
	struct bgp_ipc_msg m = { .type = BGP_IPC_RESULT };
	struct ev_loop *loop = ev_new_real();
	struct end a;
	int fd[2];

	(void)state;
	memset(m.text, 'x', sizeof(m.text) - 1);
	CHECK("pair", bgp_link_pair(fd) == 0);
	end_init(&a, loop, fd[0]);
	for (size_t bytes = 0; bytes < BGP_LINK_QUEUE_MAX + (1u << 20); bytes += sizeof(m.text))
		bgp_link_send(a.link, &m, -1);
	ev_run(loop);
	CHECK_STR("told", a.closed, "the other end does not read");
	(void)close(fd[1]);
	bgp_link_free(a.link);
	ev_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_other_end_closes),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
