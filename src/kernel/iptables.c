/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump asks every family for a save and, when all have answered, tells the rows of all at once,
 * from memory: between dump_begin and dump_end nothing else happens, so that no result can come
 * into between. A family that cannot be read shows what was last known of it; its rows fail when
 * they are tried, with the reason, and the other family is not kept waiting.
 */
#include "kernel/iptables.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ev/ev.h"
#include "kernel/iptables_family.h"

struct family_slot {
	struct ipt_family worker;
	bool is_used;
	bool is_saving;  /* a dump waits for it */
	bool is_failing; /* its last save failed: said once */
};

struct kernel_iptables {
	struct ev_loop *loop;
	struct row_sink sink;
	struct ipt_conf conf;
	struct family_slot families[2]; /* IPv4, IPv6 */
	struct ipt_detect *detect;
	struct ipt_detected detected;
	bool is_detected;
	bool is_dumping, dump_again;
	struct ev_timer *audit;
};

static struct family_slot *family_get(struct kernel_iptables *k, uint8_t family)
{
	struct family_slot *s = &k->families[family == IP_V6];

	return s->is_used && (family == IP_V4 || family == IP_V6) ? s : NULL;
}

/* --- programs --- */

static void detected_log(const struct ipt_detected *d)
{
	enum ipt_variant other =
		d->variant == IPT_VARIANT_NFT ? IPT_VARIANT_LEGACY : IPT_VARIANT_NFT;

	log_info("kernel: iptables variant chosen variant=%s why=\"%s\" version=%u.%u.%u "
		 "rules_nft=%zu rules_legacy=%zu",
		 ipt_variant_name(d->variant), d->why, d->version.major, d->version.minor,
		 d->version.patch, d->usage[IPT_VARIANT_NFT].n_rules,
		 d->usage[IPT_VARIANT_LEGACY].n_rules);
	if (d->variant != IPT_VARIANT_PLAIN && d->usage[other].n_ours > 0)
		log_warning("kernel: rules of ours in the other iptables variant are left there "
			    "variant=%s rules=%zu",
			    ipt_variant_name(other), d->usage[other].n_ours);
}

/*
 * The first answer that names a working variant is kept: what we write ourselves must not count in
 * a later one.
 */
static void on_detected(void *arg, const struct ipt_detected *result)
{
	struct kernel_iptables *k = arg;

	k->detect = NULL;
	if (!k->is_detected) {
		k->detected = *result;
		k->is_detected = result->variant != IPT_VARIANT_PLAIN || result->has_version;
		if (k->is_detected)
			detected_log(result);
	}
	for (size_t i = 0; i < ARRAY_LEN(k->families); i++) {
		if (k->families[i].is_used)
			ipt_family_programs(&k->families[i].worker, &k->detected);
	}
}

static void want_programs(void *arg)
{
	struct kernel_iptables *k = arg;

	if (!k->detect)
		k->detect = ipt_detect_start(k->loop, on_detected, k);
}

/* --- dumps --- */

static void dump_start(struct kernel_iptables *k)
{
	k->is_dumping = true;
	k->dump_again = false;
	for (size_t i = 0; i < ARRAY_LEN(k->families); i++) {
		struct family_slot *s = &k->families[i];

		s->is_saving = s->is_used;
		if (s->is_used)
			ipt_family_save(&s->worker);
	}
}

static void tell(void *arg, const struct ipt_key *key, struct bytes value)
{
	struct kernel_iptables *k = arg;

	k->sink.present(k->sink.arg, (struct bytes){ key, sizeof(*key) }, value);
}

static void dump_finish(struct kernel_iptables *k)
{
	k->is_dumping = false;
	k->sink.dump_begin(k->sink.arg);
	for (size_t i = 0; i < ARRAY_LEN(k->families); i++) {
		if (k->families[i].is_used)
			ipt_family_rows_each(&k->families[i].worker, tell, k);
	}
	k->sink.dump_end(k->sink.arg, 0);
	ev_timer_set(k->audit, ev_jitter_us(k->loop, IPT_AUDIT_US));
	if (k->dump_again)
		dump_start(k);
}

static void saved(void *arg, uint8_t family, int err, const char *text)
{
	struct kernel_iptables *k = arg;
	struct family_slot *s = family_get(k, family);

	if (err < 0 && !s->is_failing)
		log_warning("kernel: rules cannot be read family=ipv%u error=\"%s\"", family, text);
	s->is_failing = err < 0;
	s->is_saving = false;
	if (!k->families[0].is_saving && !k->families[1].is_saving)
		dump_finish(k);
}

static void iptables_dump(void *self)
{
	struct kernel_iptables *k = self;

	if (k->is_dumping)
		k->dump_again = true;
	else
		dump_start(k);
}

static void on_audit(void *arg)
{
	iptables_dump(arg);
}

/* --- operations --- */

static void result(void *arg, uint32_t tag, int err, const char *text)
{
	struct kernel_iptables *k = arg;

	k->sink.result(k->sink.arg, tag, err, text);
}

static void seen(void *arg, const struct ipt_key *key, struct bytes value)
{
	struct kernel_iptables *k = arg;
	const struct bytes key_bytes = { key, sizeof(*key) };

	if (value.data)
		k->sink.present(k->sink.arg, key_bytes, value);
	else
		k->sink.absent(k->sink.arg, key_bytes);
}

static uint8_t op_family(const struct row_op *op)
{
	struct ipt_key key;

	if (op->key.len != sizeof(key))
		return IP_NONE;
	memcpy(&key, op->key.data, sizeof(key));
	return key.family;
}

static void iptables_apply(void *self, const struct row_op *ops, size_t n)
{
	struct kernel_iptables *k = self;
	CLEANUP_FREE struct row_op *mine = xcalloc(n + 1, sizeof(*mine));

	for (size_t i = 0; i < n; i++) {
		if (!family_get(k, op_family(&ops[i])))
			k->sink.result(k->sink.arg, ops[i].tag, -EAFNOSUPPORT,
				       "this address family is not in use");
	}
	for (unsigned family = IP_V4; family <= IP_V6; family += IP_V6 - IP_V4) {
		struct family_slot *s = family_get(k, (uint8_t)family);
		size_t n_mine = 0;

		for (size_t i = 0; s && i < n; i++) {
			if (op_family(&ops[i]) == family)
				mine[n_mine++] = ops[i];
		}
		if (n_mine > 0)
			ipt_family_apply(&s->worker, mine, n_mine);
	}
}

static void iptables_attach(void *self, const struct row_sink *sink)
{
	struct kernel_iptables *k = self;

	k->sink = *sink;
}

/* --- life --- */

int kernel_iptables_new(struct ev_loop *loop, const struct ipt_conf *conf,
			struct kernel_iptables **ret)
{
	struct kernel_iptables *k;
	const struct ipt_have_filter filter = { conf->is_our_chain, conf->arg };

	if (!conf->ipv4 && !conf->ipv6)
		return -EINVAL;
	k = xcalloc(1, sizeof(*k));
	k->loop = loop;
	k->conf = *conf;
	k->families[0].is_used = conf->ipv4;
	k->families[1].is_used = conf->ipv6;
	for (size_t i = 0; i < ARRAY_LEN(k->families); i++) {
		const struct ipt_family_host host = {
			.arg = k,
			.want_programs = want_programs,
			.saved = saved,
			.result = result,
			.seen = seen,
		};

		if (k->families[i].is_used)
			ipt_family_init(&k->families[i].worker, loop, i == 0 ? IP_V4 : IP_V6, &host,
					&filter);
	}
	k->audit = ev_timer_new(loop, "iptables-audit", on_audit, k);
	*ret = k;
	return 0;
}

void kernel_iptables_free(struct kernel_iptables *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < ARRAY_LEN(k->families); i++) {
		if (k->families[i].is_used)
			ipt_family_fini(&k->families[i].worker);
	}
	ipt_detect_cancel(k->detect);
	ev_timer_free(k->audit);
	free(k);
}

struct reconciler kernel_iptables_reconciler(struct kernel_iptables *k)
{
	static const struct reconciler_ops ops = {
		.attach = iptables_attach,
		.apply = iptables_apply,
		.dump = iptables_dump,
	};

	return (struct reconciler){ .ops = &ops, .self = k };
}

bool kernel_iptables_random_fully(const struct kernel_iptables *k)
{
	return k->detected.has_version && ipt_version_is_1_6_2(&k->detected.version);
}

const char *kernel_iptables_variant(const struct kernel_iptables *k)
{
	return k->is_detected ? ipt_variant_name(k->detected.variant) : "unknown";
}
