/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/privileges.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/macro.h"

static const int kept[] = {
	CAP_NET_ADMIN,        /* links, routes, ipsets, iptables, sysctls below net/ */
	CAP_NET_RAW,          /* iptables-legacy talks over a raw socket */
	CAP_NET_BIND_SERVICE, /* BGP listens on port 179 */
	CAP_SETUID,           /* the BGP process gets a uid of its own ... */
	CAP_SETGID,           /* ... and a gid */
};

static bool is_kept(int cap)
{
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		if (kept[i] == cap)
			return true;
	}
	return false;
}

int privileges_drop(const char **ret_why)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	*ret_why = "read its capabilities";
	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	/* The bounding set limits what root gets by exec: iptables-restore, the BGP process. */
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (!is_kept(cap))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(data); i++) {
		uint32_t mask = 0;

		for (size_t k = 0; k < ARRAY_LEN(kept); k++) {
			if (CAP_TO_INDEX((unsigned)kept[k]) == i)
				mask |= CAP_TO_MASK((unsigned)kept[k]);
		}
		data[i].permitted &= mask;
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	*ret_why = "drop capabilities";
	if (syscall(SYS_capset, &head, data) < 0)
		return -errno;
	*ret_why = "set no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}
