/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tables.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "kernel/file.h"
#include "kernel/ifaddr.h"
#include "kernel/ipset.h"
#include "kernel/iptables.h"
#include "kernel/link.h"
#include "kernel/route.h"
#include "kernel/sysctl.h"
#include "model/ipset.h"
#include "model/iptables.h"
#include "model/link.h"
#include "model/route.h"
#include "model/sysctl.h"
#include "routing/self_plan.h"

/* Ceilings: far above any cluster Kubernetes supports (5,000 nodes, 150,000 pods). */
#define ROUTES_MAX  ((size_t)1 << 20)
#define MEMBERS_MAX ((size_t)1 << 20)
#define SETS_MAX    ((size_t)1 << 16)
#define CHAINS_MAX  ((size_t)1 << 20)
#define FEW_MAX     1024

struct agent_kernel {
	struct kernel_sysctl *sysctl;
	struct kernel_ipset *ipset;
	struct kernel_iptables *iptables;
	struct kernel_link *link;
	struct kernel_ifaddr *ifaddr;
	struct kernel_route *route;
	struct kernel_file *file;
	struct routing_tables tables;
};

static const struct table_desc sysctls_desc = {
	.name = "sysctls",
	.help = "kernel settings under /proc/sys",
	.stage = STAGE_SYSCTL,
	.max_rows = FEW_MAX,
	.key_fmt = sysctl_key_fmt,
	.value_fmt = sysctl_value_fmt,
	.keep_unclaimed = true,
};
static const struct table_desc ipsets_desc = {
	.name = "ipsets",
	.help = "ipsets (their members: ipset-members)",
	.stage = STAGE_SETS,
	.max_rows = SETS_MAX,
	.key_fmt = ipset_key_fmt,
	.value_fmt = ipset_value_fmt,
	.same = ipset_value_same,
};
static const struct table_desc members_desc = {
	.name = "ipset-members",
	.help = "members of ipsets",
	.stage = STAGE_MEMBERS,
	.max_rows = MEMBERS_MAX,
	.key_fmt = ipset_member_key_fmt,
};
static const struct table_desc iptables_desc = {
	.name = "iptables",
	.help = "chains of ours, and our rules in built-in chains",
	.stage = STAGE_CHAINS,
	.max_rows = CHAINS_MAX,
	.key_fmt = ipt_key_fmt,
	.value_fmt = ipt_value_fmt,
};
static const struct table_desc links_desc = {
	.name = "links",
	.help = "network interfaces of ours",
	.stage = STAGE_LINKS,
	.max_rows = FEW_MAX,
	.key_fmt = link_key_fmt,
	.value_fmt = link_value_fmt,
	.same = link_value_same,
	/* pods hang on the bridge: it stays when nobody asks for it any more */
	.keep_unclaimed = true,
};
static const struct table_desc addrs_desc = {
	.name = "addresses",
	.help = "addresses of interfaces of ours",
	.stage = STAGE_ADDRS,
	.max_rows = FEW_MAX,
	.key_fmt = link_addr_key_fmt,
	/* pods have them as their gateway, and the CNI plugin looks after them, too */
	.keep_unclaimed = true,
};
static const struct table_desc routes_desc = {
	.name = "routes",
	.help = "kernel routes with protocol 17",
	.stage = STAGE_ROUTES,
	.max_rows = ROUTES_MAX,
	.key_fmt = route_key_fmt,
	.value_fmt = route_value_fmt,
};
static const struct table_desc files_desc = {
	.name = "files",
	.help = "files kept complete (the CNI configuration)",
	.stage = STAGE_FILES,
	.max_rows = FEW_MAX,
	.key_fmt = file_key_fmt,
	.value_fmt = file_value_fmt,
	.keep_unclaimed = true,
};

static bool is_our_set(void *arg, const char *name)
{
	(void)arg;
	return str_eq(name, SET_POD_SUBNETS) || str_eq(name, SET_NODE_IPS) ||
	       str_eq(name, SET_POD_SUBNETS6) || str_eq(name, SET_NODE_IPS6);
}

/* Reconcilers that open sockets: what failed is named. */
static int open_sockets(struct agent_kernel *k, struct ev_loop *loop,
			const struct agent_kernel_conf *conf, const char **ret_what)
{
	static const char *const links[] = { BRIDGE_NAME };
	const struct ipt_conf ipt = { .ipv4 = true, .ipv6 = conf->ipv6 };
	int r;

	*ret_what = "netlink routes";
	r = kernel_route_new(loop, NULL, &k->route);
	if (r < 0)
		return r;
	*ret_what = "netlink links";
	r = kernel_link_new(loop, NULL, links, ARRAY_LEN(links), &k->link);
	if (r < 0)
		return r;
	*ret_what = "netlink addresses";
	r = kernel_ifaddr_new(loop, NULL, links, ARRAY_LEN(links), &k->ifaddr);
	if (r < 0)
		return r;
	*ret_what = "ipset over netlink";
	r = kernel_ipset_new(loop, NULL, is_our_set, NULL, &k->ipset);
	if (r < 0)
		return r;
	*ret_what = "iptables";
	return kernel_iptables_new(loop, &ipt, &k->iptables);
}

static void add_tables(struct agent_kernel *k, struct engine *e)
{
	struct routing_tables *t = &k->tables;

	t->sysctls = engine_table_add(e, &sysctls_desc, kernel_sysctl_reconciler(k->sysctl));
	t->ipsets = engine_table_add(e, &ipsets_desc, kernel_ipset_reconciler(k->ipset));
	t->members = engine_table_add(e, &members_desc, kernel_ipset_member_reconciler(k->ipset));
	t->iptables = engine_table_add(e, &iptables_desc, kernel_iptables_reconciler(k->iptables));
	t->links = engine_table_add(e, &links_desc, kernel_link_reconciler(k->link));
	t->addrs = engine_table_add(e, &addrs_desc, kernel_ifaddr_reconciler(k->ifaddr));
	t->routes = engine_table_add(e, &routes_desc, kernel_route_reconciler(k->route));
	t->files = engine_table_add(e, &files_desc, kernel_file_reconciler(k->file));
}

int agent_kernel_new(struct ev_loop *loop, struct engine *engine,
		     const struct agent_kernel_conf *conf, struct agent_kernel **ret,
		     char **ret_why)
{
	static const char *const sysctls[] = {
		"net/bridge/bridge-nf-call-iptables",
		"net/bridge/bridge-nf-call-ip6tables",
		"net/ipv6/conf/all/disable_ipv6",
	};
	struct agent_kernel *k = xcalloc(1, sizeof(*k));
	const char *what;
	int r = open_sockets(k, loop, conf, &what);

	if (r < 0) {
		*ret_why = xasprintf("cannot use %s: %s", what, strerror(-r));
		agent_kernel_free(k);
		return r;
	}
	k->sysctl = kernel_sysctl_new("/proc/sys", sysctls, ARRAY_LEN(sysctls));
	k->file = kernel_file_new(&conf->cni_path, conf->cni_path ? 1 : 0);
	kernel_sysctl_audit(k->sysctl, loop);
	kernel_file_audit(k->file, loop, conf->file_changed, conf->arg);
	add_tables(k, engine);
	*ret = k;
	return 0;
}

void agent_kernel_free(struct agent_kernel *k)
{
	if (!k)
		return;
	kernel_route_free(k->route);
	kernel_link_free(k->link);
	kernel_ifaddr_free(k->ifaddr);
	kernel_ipset_free(k->ipset);
	kernel_iptables_free(k->iptables);
	kernel_sysctl_free(k->sysctl);
	kernel_file_free(k->file);
	free(k);
}

const char *agent_kernel_audit(const struct agent_kernel *k, size_t i, struct audit_stats *ret)
{
	switch (i) {
	case 0:
		kernel_ipset_audit_get(k->ipset, ret);
		return "ipsets";
	case 1:
		kernel_iptables_audit_get(k->iptables, ret);
		return "iptables";
	case 2:
		kernel_sysctl_audit_get(k->sysctl, ret);
		return "sysctls";
	case 3:
		kernel_file_audit_get(k->file, ret);
		return "files";
	default:
		return NULL;
	}
}

struct routing_tables agent_kernel_tables(const struct agent_kernel *k)
{
	return k->tables;
}

bool agent_kernel_random_fully(const struct agent_kernel *k)
{
	return kernel_iptables_random_fully(k->iptables);
}

void agent_kernel_release(struct agent_kernel *k)
{
	const struct routing_tables *t = &k->tables;

	engine_table_release(t->ipsets);
	engine_table_release(t->members);
	engine_table_release(t->iptables);
	engine_table_release(t->routes);
}
