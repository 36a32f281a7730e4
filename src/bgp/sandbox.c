/* SPDX-License-Identifier: Apache-2.0 */
#include "bgp/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define SANDBOX_ARCH AUDIT_ARCH_RISCV64
#else
#error "name this architecture's audit number"
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	/* The bounding set cannot shrink without CAP_SETPCAP; no_new_privs makes it meaningless. */
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) < 0)
		return -errno;
	return 0;
}

static int close_others(int keep_fd)
{
	unsigned keep = (unsigned)keep_fd;

	if (keep > 3 && syscall(SYS_close_range, 3u, keep - 1, 0u) < 0)
		return -errno;
	if (syscall(SYS_close_range, keep + 1, ~0u, 0u) < 0)
		return -errno;
	return 0;
}

int bgp_sandbox_identity(int keep_fd, const char **ret_why)
{
	const struct rlimit no_core = { 0 };

	*ret_why = "close inherited descriptors";
	if (close_others(keep_fd) < 0)
		return -errno;
	*ret_why = "enter /";
	if (chdir("/") < 0)
		return -errno;
	*ret_why = "forbid core dumps";
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return -errno;
	if (geteuid() == 0) {
		*ret_why = "leave the supplementary groups";
		if (setgroups(0, NULL) < 0)
			return -errno;
		*ret_why = "set the group";
		if (setresgid(BGP_SANDBOX_UID, BGP_SANDBOX_UID, BGP_SANDBOX_UID) < 0)
			return -errno;
		*ret_why = "set the user";
		if (setresuid(BGP_SANDBOX_UID, BGP_SANDBOX_UID, BGP_SANDBOX_UID) < 0)
			return -errno;
	}
	*ret_why = "drop capabilities";
	if (drop_capabilities() < 0)
		return -errno;
	*ret_why = "set no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	*ret_why = "become undumpable"; /* no ptrace by others of this uid */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

#ifdef SANDBOX_SANITIZED

int bgp_sandbox_filter(const char **ret_why)
{
	*ret_why = "";
	return 0;
}

#else

/*
 * What a running speaker calls: the loop (epoll, eventfd), its link, TCP sockets, clocks, random
 * bytes, memory, the end. Found with strace -f over the lab; libc may pick a sibling (writev for
 * write), so families are listed whole.
 */
static const int allowed[] = {
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_recvfrom,
	SYS_recvmsg,
	SYS_sendto,
	SYS_sendmsg,
	SYS_close,
	SYS_shutdown,
	SYS_connect,
	SYS_bind,
	SYS_accept4,
	SYS_getsockname,
	SYS_getpeername,
	SYS_getsockopt,
	SYS_setsockopt,
	SYS_fcntl,
	SYS_epoll_ctl,
	SYS_epoll_pwait,
	SYS_ppoll,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
#ifdef SYS_accept
	SYS_accept,
#endif
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_time
	SYS_time,
#endif
	SYS_clock_gettime,
	SYS_gettimeofday,
	SYS_getrandom,
	SYS_brk,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_futex,
	SYS_getpid,
	SYS_rt_sigreturn,
	SYS_rt_sigprocmask,
	SYS_rt_sigaction,
	SYS_restart_syscall,
	SYS_exit,
	SYS_exit_group,
};

/* Nobody but an intruder makes these: no error code, the end. */
static const int deadly[] = {
	SYS_execve,
	SYS_execveat,
	SYS_openat,
	SYS_openat2,
#ifdef SYS_open
	SYS_open,
#endif
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_bpf,
	SYS_mount,
	SYS_unshare,
	SYS_setns,
	SYS_init_module,
	SYS_finit_module,
	SYS_kexec_load,
	SYS_io_uring_setup,
};

#define FILTER_MAX       192
#define SOCKET_TYPE_MASK 0xf /* the rest of the argument are flags (SOCK_CLOEXEC ...) */

struct filter {
	struct sock_filter insn[FILTER_MAX];
	unsigned short n;
};

static void put(struct filter *f, struct sock_filter insn)
{
	if (f->n < FILTER_MAX)
		f->insn[f->n++] = insn;
}

#define LOAD(field)                                                                                \
	((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,                                    \
				      (uint32_t)offsetof(struct seccomp_data, field)))
#define RETURN(what) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (what)))
#define SKIP_UNLESS(value, n)                                                                      \
	((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (n)))
#define SKIP_IF(value, n) ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (n), 0))
#define SKIP_IF_BITS(value, n)                                                                     \
	((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (value), (n), 0))

#define DENY  (SECCOMP_RET_ERRNO | EPERM)
#define ALLOW SECCOMP_RET_ALLOW
#define KILL  SECCOMP_RET_KILL_PROCESS

/* Arguments are 64-bit; the checks look at the low word, little-endian on all three machines. */
static void put_argument_rules(struct filter *f)
{
	/* socket(): TCP over IP only, nothing raw, no netlink. */
	put(f, SKIP_UNLESS(SYS_socket, 9));
	put(f, LOAD(args[0]));
	put(f, SKIP_IF(AF_INET, 2));
	put(f, SKIP_IF(AF_INET6, 1));
	put(f, RETURN(DENY));
	put(f, LOAD(args[1]));
	put(f, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SOCKET_TYPE_MASK));
	put(f, SKIP_UNLESS(SOCK_STREAM, 1));
	put(f, RETURN(ALLOW));
	put(f, RETURN(DENY));
	/* ioctl(): what the loop asks of a descriptor. stderr may be a terminal, which does more.
	 */
	put(f, SKIP_UNLESS(SYS_ioctl, 6));
	put(f, LOAD(args[1]));
	put(f, SKIP_IF(FIONBIO, 3));
	put(f, SKIP_IF(FIONREAD, 2));
	put(f, SKIP_IF(FIOCLEX, 1));
	put(f, RETURN(DENY));
	put(f, RETURN(ALLOW));
	/* mmap(), mprotect(): never executable */
	put(f, SKIP_UNLESS(SYS_mmap, 4));
	put(f, LOAD(args[2]));
	put(f, SKIP_IF_BITS(PROT_EXEC, 1));
	put(f, RETURN(ALLOW));
	put(f, RETURN(DENY));
	put(f, SKIP_UNLESS(SYS_mprotect, 4));
	put(f, LOAD(args[2]));
	put(f, SKIP_IF_BITS(PROT_EXEC, 1));
	put(f, RETURN(ALLOW));
	put(f, RETURN(DENY));
}

int bgp_sandbox_filter(const char **ret_why)
{
	struct filter f = { .n = 0 };
	struct sock_fprog prog;

	put(&f, LOAD(arch));
	put(&f, SKIP_IF(SANDBOX_ARCH, 1));
	put(&f, RETURN(KILL));
	put(&f, LOAD(nr));
#ifdef __x86_64__
	/* the x32 numbers: the same calls by another name */
	put(&f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1));
	put(&f, RETURN(KILL));
#endif
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		put(&f, SKIP_UNLESS((uint32_t)allowed[i], 1));
		put(&f, RETURN(ALLOW));
	}
	for (size_t i = 0; i < ARRAY_LEN(deadly); i++) {
		put(&f, SKIP_UNLESS((uint32_t)deadly[i], 1));
		put(&f, RETURN(KILL));
	}
	put_argument_rules(&f);
	put(&f, RETURN(DENY));

	*ret_why = "install the system call filter";
	if (f.n >= FILTER_MAX)
		return -E2BIG;
	prog = (struct sock_fprog){ .len = f.n, .filter = f.insn };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0u, &prog) < 0)
		return -errno;
	return 0;
}

#endif
