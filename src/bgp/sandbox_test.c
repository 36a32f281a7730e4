/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries what is forbidden, each in a process of its own: the filter is proved by what it stops.
 */
#include "bgp/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* What happened to a process that entered the sandbox and ran fn: its exit status, or -signal. */
static int in_sandbox(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	CHECK("fork", pid >= 0);
	if (pid == 0) {
		const char *why;

		if (bgp_sandbox_identity(3, &why) < 0 || bgp_sandbox_filter(&why) < 0)
			_exit(100);
		_exit(fn());
	}
	CHECK("wait", waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int try_nothing(void)
{
	return 0;
}

static int try_tcp(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return 1;
	return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : 2;
}

static int try_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) < 0 && errno == EPERM ? 0 : 1;
}

static int try_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 && errno == EPERM ? 0 : 1;
}

static int try_udp(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 && errno == EPERM ? 0 : 1;
}

static int try_raw(void)
{
	return socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP) < 0 && errno == EPERM ? 0 : 1;
}

/* What a terminal as stderr would take as typed by the operator. */
static int try_typing(void)
{
	return ioctl(2, TIOCSTI, "x") < 0 && errno == EPERM ? 0 : 1;
}

static int try_ioctls_of_the_loop(void)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return ioctl(fd, FIONBIO, &on) == 0 && ioctl(fd, FIOCLEX) == 0 ? 0 : 1;
}

static int try_port_179(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(179) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno == EACCES ? 0
											      : 1;
}

static int try_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? 0
		       : 1;
}

static int try_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? 1
		       : 0;
}

static int try_fork(void)
{
	return fork() < 0 && errno == EPERM ? 0 : 1;
}

static int try_setuid(void)
{
	return setuid(0) < 0 ? 0 : 1;
}

static int try_open(void)
{
	return open("/etc/hostname", O_RDONLY | O_CLOEXEC) < 0 ? 0 : 1;
}

static int try_exec(void)
{
	char *const argv[] = { NULL };

	return execve("/bin/true", argv, argv);
}

static int try_ptrace(void)
{
	return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void test_filter(void **state)
{
	static const struct {
		const char *name;
		int (*fn)(void);
		int want;
	} rows[] = {
		{ "entering works", try_nothing, 0 },
		{ "TCP sockets work", try_tcp, 0 },
		{ "memory works", try_memory, 0 },
		{ "netlink is refused", try_netlink, 0 },
		{ "UNIX sockets are refused", try_unix, 0 },
		{ "UDP sockets are refused", try_udp, 0 },
		{ "raw sockets are refused", try_raw, 0 },
		{ "typing into the terminal is refused", try_typing, 0 },
		{ "what the loop asks of descriptors works", try_ioctls_of_the_loop, 0 },
		{ "executable memory is refused", try_executable_memory, 0 },
		{ "fork is refused", try_fork, 0 },
		{ "uid 0 is refused", try_setuid, 0 },
		{ "open ends it", try_open, -SIGSYS },
		{ "exec ends it", try_exec, -SIGSYS },
		{ "ptrace ends it", try_ptrace, -SIGSYS },
	};

	(void)state;
#ifdef SANITIZED
	print_message("no filter in sanitized builds\n");
	skip();
#endif
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK(rows[i].name, in_sandbox(rows[i].fn) == rows[i].want);
}

static int is_nobody(void)
{
	uid_t r, e, s;

	return getresuid(&r, &e, &s) == 0 && r == BGP_SANDBOX_UID && e == r && s == r &&
			       getgid() == BGP_SANDBOX_UID && getgroups(0, NULL) == 0
		       ? 0
		       : 1;
}

static int capabilities_left(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return 2;
	text[n] = '\0';
	return strstr(text, "CapPrm:\t0000000000000000") &&
			       strstr(text, "CapEff:\t0000000000000000") &&
			       strstr(text, "NoNewPrivs:\t1")
		       ? 0
		       : 1;
}

static int identity_of(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	CHECK("fork", pid >= 0);
	if (pid == 0) {
		const char *why;

		if (bgp_sandbox_identity(3, &why) < 0)
			_exit(100);
		_exit(fn());
	}
	CHECK("wait", waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int descriptor_is_closed(void)
{
	return fcntl(20, F_GETFD) < 0 && fcntl(2, F_GETFD) >= 0 ? 0 : 1;
}

static void test_identity(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("needs uid 0\n");
		skip();
	}
	CHECK("a uid and gid of its own, no groups", identity_of(is_nobody) == 0);
	CHECK("port 179 is out of reach", identity_of(try_port_179) == 0);
	CHECK("descriptor", dup2(2, 20) == 20);
	CHECK("inherited descriptors are closed", identity_of(descriptor_is_closed) == 0);
	(void)close(20);
	CHECK("no capabilities, no new privileges", identity_of(capabilities_left) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
