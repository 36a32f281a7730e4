/* SPDX-License-Identifier: Apache-2.0 */
#include "status/test_io.h"

#include <errno.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/test.h"

#define FDS_MAX   512
#define STEPS_MAX 100000

static void readiness_set(struct ev_loop *loop)
{
	struct pollfd fds[FDS_MAX];

	for (int i = 0; i < FDS_MAX; i++)
		fds[i] = (struct pollfd){ .fd = i + 3, .events = POLLIN | POLLOUT };
	CHECK("poll", poll(fds, FDS_MAX, 0) >= 0);
	for (int i = 0; i < FDS_MAX; i++) {
		short r = fds[i].revents;
		unsigned ready = 0;

		if (r & (POLLIN | POLLHUP | POLLERR))
			ready |= EV_READ;
		if (r & (POLLOUT | POLLERR))
			ready |= EV_WRITE;
		ev_sim_fd_set(loop, fds[i].fd, r & POLLNVAL ? 0 : ready);
	}
}

/* Runs behind the descriptors' callbacks of the same turn. */
static void readiness_clear(void *arg)
{
	for (int i = 0; i < FDS_MAX; i++)
		ev_sim_fd_set(arg, i + 3, 0);
}

void test_io_pump(struct ev_loop *loop)
{
	struct ev_task *clear = ev_task_new(loop, "test-clear", readiness_clear, loop);
	size_t n, steps = 0;

	do {
		readiness_set(loop);
		ev_task_post(clear);
		n = ev_sim_settle(loop);
		CHECK("comes to rest", ++steps < STEPS_MAX);
	} while (n > 1); /* 1: the task alone */
	ev_task_free(clear);
}

void test_io_advance(struct ev_loop *loop, int64_t us)
{
	test_io_pump(loop);
	(void)ev_sim_advance(loop, us);
	test_io_pump(loop);
}

int test_io_connect_tcp(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ip_addr a = ip_v4(0x7f000001);
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(&a, port, &ss);

	CHECK("socket", fd >= 0);
	CHECK("connect", connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS);
	return fd;
}

int test_io_connect_unix(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	CHECK("socket", fd >= 0);
	CHECK("path", str_copy(sun.sun_path, sizeof(sun.sun_path), path) == 0);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

void test_io_send(int fd, const char *data, size_t len)
{
	CHECK("send", send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len);
}

bool test_io_recv(int fd, struct strbuf *out)
{
	char buf[65536];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		strbuf_add(out, buf, (size_t)n);
	return n == 0 || errno != EAGAIN;
}
