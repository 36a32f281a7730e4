/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/iptables_host.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/log.h"
#include "base/test.h"
#include "ev/sim.h"

#define FIRST_PID 1000 /* of the simulated loop; each start takes the next */

static void answer_restore(struct host *h, const struct ev_child_spec *spec,
			   struct ev_sim_child_answer *a, struct ipt_model *m)
{
	h->n_restores++;
	for (size_t i = 1; spec->argv[i]; i++)
		h->n_waiting += str_eq(spec->argv[i], "-w");
	if (h->is_locked || h->fail_restores > 0) {
		h->fail_restores -= h->fail_restores > 0;
		a->exit_code = 4;
		a->err_text = h->is_locked ? "Another app is currently holding the xtables lock.\n"
					   : "netlink error\n";
		return;
	}
	if (model_restore(m, spec->input, spec->input_len) < 0) {
		a->exit_code = 1;
		a->err_text = "iptables-restore: line 2 failed\n";
	}
}

static void answer(void *arg, const struct ev_child_spec *spec, struct ev_sim_child_answer *a)
{
	struct host *h = arg;
	const char *program = spec->argv[0];
	struct ipt_model *m = str_starts(program, "ip6") ? &h->v6 : &h->v4;

	h->last_pid = FIRST_PID + h->n_started++;
	if (h->no_programs || !strstr(program, "legacy") == h->is_legacy ||
	    (h->no_v6 && m == &h->v6))
		return; /* -ENOENT is preset */
	if (h->during)
		h->during(h, program);
	a->err = 0;
	a->after_us = h->hangs ? EV_SIM_CHILD_FOREVER : 20 * US_PER_MS;
	if (str_ends(program, "-restore")) {
		answer_restore(h, spec, a, m);
	} else if (str_ends(program, "-save")) {
		h->n_saves++;
		strbuf_clear(&h->out);
		model_save(m, spec->argv[1] ? spec->argv[2] : NULL, &h->out);
		a->out = strbuf_text(&h->out);
	} else {
		a->out = h->version;
	}
}

static bool is_our_chain(void *arg, const struct ipt_key *key)
{
	(void)arg;
	return str_starts(key->chain, "KUBE-T");
}

static void drop_line(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

/* What IPT_SO_GET_INFO would say: enough that every change of length shows. */
static int info(void *arg, uint8_t family, const char *table, struct ipt_info *ret)
{
	struct host *h = arg;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	model_save(family == IP_V6 ? &h->v6 : &h->v4, table, &text);
	ret->size = (uint32_t)text.len;
	return 0;
}

static int no_requests(void *arg, struct nl_script_socket *s, const void *data, size_t len)
{
	(void)arg;
	(void)s;
	(void)data;
	(void)len;
	return -EOPNOTSUPP; /* events only */
}

static void init(struct host *h, bool is_legacy)
{
	struct ipt_conf conf = { .ipv4 = true, .ipv6 = true, .is_our_chain = is_our_chain };
	struct nl_opener opener;

	memset(h, 0, sizeof(*h));
	log_sink_set(drop_line, NULL);
	h->is_legacy = is_legacy;
	h->version = is_legacy ? "iptables v1.8.9 (legacy)\n" : "iptables v1.8.9 (nf_tables)\n";
	model_init(&h->v4);
	model_init(&h->v6);
	h->loop = ev_new_sim(1);
	ev_sim_child_set(h->loop, answer, h);
	h->script = nl_script_new(h->loop, no_requests, h);
	opener = nl_script_opener(h->script);
	conf.opener = &opener;
	conf.info = info;
	conf.info_arg = h;
	rig_init(&h->rig, h->loop, &conf);
}

void host_init(struct host *h)
{
	init(h, false);
}

void host_init_legacy(struct host *h)
{
	init(h, true);
}

void host_fini(struct host *h)
{
	rig_fini(&h->rig);
	nl_script_free(h->script);
	ev_free(h->loop);
	model_fini(&h->v4);
	model_fini(&h->v6);
	strbuf_fini(&h->out);
	log_sink_set(NULL, NULL);
}

void host_dump(struct host *h)
{
	unsigned before = h->rig.n_dumps;

	h->rig.reconciler.ops->dump(h->rig.reconciler.self);
	(void)ev_sim_advance(h->loop, 40 * US_PER_S);
	CHECK("a dump ended", h->rig.n_dumps > before && h->rig.dump_err == 0);
}

void host_apply(struct host *h)
{
	rig_apply(&h->rig);
	(void)ev_sim_advance(h->loop, 40 * US_PER_S);
	CHECK("every operation has its result", h->rig.n_results == h->rig.n_ops);
}

void host_other(struct host *h, struct ipt_model *m, const char *text)
{
	(void)h;
	CHECK("the other writer's command works", model_restore(m, text, strlen(text)) == 0);
}

void host_event(struct host *h, uint8_t family, const char *table, const char *chain, uint32_t pid)
{
	uint8_t buf[256];
	struct nl_msg m;

	nl_msg_init(&m, buf, sizeof(buf), NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE, 0);
	wr_u8(&m.w, family == IP_V6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	wr_zero(&m.w, 3);
	nl_put_str(&m, NFTA_RULE_TABLE, table);
	nl_put_str(&m, NFTA_RULE_CHAIN, chain);
	assert_true(nl_msg_close(&m));
	memcpy(m.w.data + 12, &pid, sizeof(pid)); /* nlmsg_pid */
	nl_script_push(nl_script_find(h->script, "iptables-event"), m.w.data, m.w.len);
}
