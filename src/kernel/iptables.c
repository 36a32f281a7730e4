/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump asks every family for a save and, when all have answered, tells the rows of all at once,
 * from memory: between dump_begin and dump_end nothing else happens, so that no result can come
 * into between. A family that cannot be read shows what was last known of it; its rows fail when
 * they are tried, with the reason, and the other family is not kept waiting.
 *
 * Dumps of our own accord: of one family when iptables_watch.h says that somebody changed it, of
 * both in the slow full audit, which finds what the watch cannot see. What they cost is kept under
 * READ_SHARE of a core in the long run: reading earns credit with time and spends it, so that a
 * change is normally read at once, and a program that changes our chains without end is followed
 * slowly.
 */
#include "kernel/iptables.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ev/ev.h"
#include "kernel/iptables_family.h"
#include "kernel/iptables_watch.h"

#define READ_SHARE       ((int64_t)100)   /* one part in so many of our time is for reading */
#define READ_CREDIT_US   (1 * US_PER_S)   /* saved up at most */
#define READ_WAIT_MAX_US (5 * US_PER_S)   /* for credit; then it is read anyway */
#define READ_SETTLE_US   (20 * US_PER_MS) /* after the first event: the rest of the transaction */
#define AUDIT_SHARE      (2 * READ_SHARE) /* the full audit by itself */
#define BOTH             (1u << 0 | 1u << 1) /* bits of families[] */

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
	bool is_dumping;
	unsigned dump_mask, dump_again; /* bits of families[]: that is read, to be read after */
	struct ev_timer *audit;
	/* somebody else's changes */
	struct ipt_watch *watch;
	unsigned dirty;
	struct ev_timer *reread;
	int64_t credit_us;
	struct mono credit_at;
	struct audit_stats stats;
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
		if (k->is_detected) {
			detected_log(result);
			ipt_watch_variant(k->watch, result->variant);
		}
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

static void dump_start(struct kernel_iptables *k, unsigned mask)
{
	k->is_dumping = true;
	k->dump_mask = mask;
	k->dump_again &= ~mask;
	k->dirty &= ~mask;
	for (size_t i = 0; i < ARRAY_LEN(k->families); i++) {
		struct family_slot *s = &k->families[i];

		s->is_saving = s->is_used && (mask & 1u << i);
		if (s->is_saving)
			ipt_family_save(&s->worker);
	}
}

static void dump_ask(struct kernel_iptables *k, unsigned mask)
{
	if (k->is_dumping)
		k->dump_again |= mask;
	else
		dump_start(k, mask);
}

/* Wall time of the programs: more than their share of a core, never less. */
static int64_t cost_us(const struct kernel_iptables *k)
{
	return k->families[0].worker.save_us + k->families[1].worker.save_us;
}

static void credit_update(struct kernel_iptables *k)
{
	struct mono now = ev_now(k->loop);
	int64_t spent = cost_us(k) - k->stats.us;

	k->credit_us += mono_diff_us(now, k->credit_at) / READ_SHARE - spent;
	k->credit_us = MIN(k->credit_us, READ_CREDIT_US);
	k->credit_at = now;
	k->stats.us += spent;
}

static int64_t reread_wait_us(struct kernel_iptables *k)
{
	credit_update(k);
	if (k->credit_us >= 0)
		return READ_SETTLE_US;
	return MAX(READ_SETTLE_US, MIN(-k->credit_us * READ_SHARE, READ_WAIT_MAX_US));
}

static void tell(void *arg, const struct ipt_key *key, struct bytes value)
{
	struct kernel_iptables *k = arg;

	k->sink.present(k->sink.arg, (struct bytes){ key, sizeof(*key) }, value);
}

static void dump_finish(struct kernel_iptables *k)
{
	int64_t before_us = k->stats.us;

	k->is_dumping = false;
	k->sink.dump_begin(k->sink.arg);
	for (size_t i = 0; i < ARRAY_LEN(k->families); i++) {
		if (k->families[i].is_used)
			ipt_family_rows_each(&k->families[i].worker, tell, k);
	}
	k->sink.dump_end(k->sink.arg, 0);
	credit_update(k);
	if (k->dump_mask == BOTH) {
		k->stats.cycles++;
		k->stats.last_at = ev_now(k->loop);
		ev_timer_set(k->audit,
			     ev_jitter_us(k->loop, MAX(IPT_AUDIT_US,
						       AUDIT_SHARE * (k->stats.us - before_us))));
	}
	if (k->dump_again)
		dump_start(k, k->dump_again);
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
	dump_ask(self, BOTH);
}

static void on_audit(void *arg)
{
	dump_ask(arg, BOTH);
}

/* --- somebody else's changes --- */

static void on_reread(void *arg)
{
	struct kernel_iptables *k = arg;

	if (k->dirty) {
		k->stats.finds++;
		dump_ask(k, k->dirty);
	}
}

static void watch_changed(void *arg, uint8_t family)
{
	struct kernel_iptables *k = arg;

	if (!k->sink.result)
		return;
	k->dirty |= 1u << (family == IP_V6);
	if (!ev_timer_is_set(k->reread))
		ev_timer_set(k->reread, reread_wait_us(k));
}

static bool watch_is_ours(void *arg, uint32_t pid)
{
	const struct kernel_iptables *k = arg;

	for (size_t i = 0; i < ARRAY_LEN(k->families); i++) {
		if (k->families[i].is_used && pid != 0 && k->families[i].worker.child_pid == pid)
			return true;
	}
	return false;
}

static bool watch_is_busy(void *arg, uint8_t family)
{
	struct kernel_iptables *k = arg;
	const struct family_slot *s = family_get(k, family);

	return s && s->worker.child;
}

static void saving(void *arg, uint8_t family)
{
	struct kernel_iptables *k = arg;

	ipt_watch_mark(k->watch, family);
}

static void restoring(void *arg, uint8_t family)
{
	struct kernel_iptables *k = arg;

	ipt_watch_check(k->watch, family);
}

static void restored(void *arg, uint8_t family)
{
	struct kernel_iptables *k = arg;

	ipt_watch_drain(k->watch);
	ipt_watch_mark(k->watch, family);
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
	const struct ipt_watch_conf watch = {
		.filter = filter,
		.opener = conf->opener,
		.info = conf->info,
		.info_arg = conf->info_arg,
		.families = { conf->ipv4, conf->ipv6 },
	};
	struct ipt_watch_host watcher = {
		.changed = watch_changed,
		.is_ours = watch_is_ours,
		.is_busy = watch_is_busy,
	};

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
			.saving = saving,
			.restoring = restoring,
			.restored = restored,
		};

		if (k->families[i].is_used)
			ipt_family_init(&k->families[i].worker, loop, i == 0 ? IP_V4 : IP_V6, &host,
					&filter);
	}
	k->audit = ev_timer_new(loop, "iptables-audit", on_audit, k);
	k->reread = ev_timer_new(loop, "iptables-reread", on_reread, k);
	k->credit_us = READ_CREDIT_US;
	k->credit_at = ev_now(loop);
	watcher.arg = k;
	k->watch = ipt_watch_new(loop, &watch, &watcher);
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
	ipt_watch_free(k->watch);
	ev_timer_free(k->reread);
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

void kernel_iptables_audit_get(const struct kernel_iptables *k, struct audit_stats *ret)
{
	struct ipt_watch_stats watch;

	ipt_watch_stats_get(k->watch, &watch);
	*ret = k->stats;
	ret->looks = watch.polls + watch.event.events;
	ret->us = cost_us(k) + watch.us;
}
