/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/ipset_audit.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "ev/ev.h"
#include "kernel/ipset.h"

/* One set: what it should look like, and what the running look has seen. */
struct ipset_print {
	bool has_value, is_seen;
	struct ipset_value value, seen;
	size_t n, n_others, seen_n;
	uint64_t sum; /* of the hashes of the n members */
};

static void list_next(struct ipset_audit *a);

/* ---- what should be there ---- */

static struct ipset_key key_of(const char *name)
{
	struct ipset_key key = { 0 };

	(void)str_copy(key.name, sizeof(key.name), name);
	return key;
}

static struct ipset_print *print_get(struct ipset_audit *a, const struct ipset_key *key)
{
	return map_get(&a->prints, key, sizeof(*key));
}

static struct ipset_print *print_make(struct ipset_audit *a, const struct ipset_key *key)
{
	struct ipset_print *p = print_get(a, key);

	if (!p) {
		p = xcalloc(1, sizeof(*p));
		(void)map_put(&a->prints, key, sizeof(*key), p);
	}
	return p;
}

void ipset_audit_sets_forget(struct ipset_audit *a)
{
	map_for_each (&a->prints, i)
		((struct ipset_print *)map_at(&a->prints, i, NULL, NULL))->has_value = false;
}

void ipset_audit_set(struct ipset_audit *a, const struct ipset_key *key,
		     const struct ipset_value *value)
{
	struct ipset_print *p;

	if (!value) {
		free(map_del(&a->prints, key, sizeof(*key)));
		return;
	}
	p = print_make(a, key);
	p->has_value = true;
	p->value = *value;
}

void ipset_audit_members_forget(struct ipset_audit *a)
{
	for (size_t i = a->prints.n; i-- > 0;) { /* from behind: deleting moves the last one */
		const void *key;
		size_t len;
		struct ipset_print *p = map_at(&a->prints, i, &key, &len);

		p->n = 0;
		p->sum = 0;
		if (!p->has_value)
			free(map_del(&a->prints, key, len));
	}
}

static uint64_t member_hash(const struct ip_prefix *p)
{
	return map_hash(p, sizeof(*p));
}

void ipset_audit_member(struct ipset_audit *a, const struct ipset_member_key *key, bool is_there)
{
	const struct ipset_key set = key_of(key->set);
	struct ipset_print *p = print_make(a, &set);

	if (is_there) {
		p->n++;
		p->sum += member_hash(&key->prefix);
	} else if (p->n > 0) {
		p->n--;
		p->sum -= member_hash(&key->prefix);
	}
}

void ipset_audit_others(struct ipset_audit *a, const char *name, size_t n)
{
	const struct ipset_key key = key_of(name);

	print_make(a, &key)->n_others = n;
}

/* ---- a look ---- */

static int64_t wait_us(const struct ipset_audit *a)
{
	int64_t us = IPSET_POLL_US + (int64_t)a->n_members * IPSET_POLL_MEMBER_US;

	if (a->n_vain > IPSET_VAIN_FREE)
		us <<= MIN(a->n_vain - IPSET_VAIN_FREE, (unsigned)IPSET_VAIN_MAX);
	return us;
}

static void look_end(struct ipset_audit *a)
{
	a->is_looking = false;
	a->stats.us += mono_diff_us(mono_read(), a->began);
	ev_timer_set(a->timer, ev_jitter_us(a->loop, wait_us(a)));
}

/* What was seen may be before or after what an operation did. */
static bool is_disturbed(const struct ipset_audit *a)
{
	return a->n_ops != a->applier->n_ops || !list_is_empty(&a->applier->running) ||
	       a->host.is_dumping(a->host.arg);
}

static void found(struct ipset_audit *a, bool sets)
{
	a->n_vain++;
	a->stats.finds++;
	a->host.found(a->host.arg, sets);
	look_end(a);
}

static void clean(struct ipset_audit *a)
{
	a->n_vain = 0;
	look_end(a);
}

static int list_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct ipset_audit *a = arg;
	struct ip_prefix prefix;
	struct ipset_msg s;
	int r;

	(void)head;
	if (ipset_msg_parse(body, &s) < 0)
		return -EBADMSG;
	while ((r = ipset_msg_member_next(&s.members, &prefix, &a->listed_others)) > 0) {
		a->listed_n++;
		a->listed_sum += member_hash(&prefix);
	}
	return r;
}

static void list_done(void *arg, int err, const char *text)
{
	struct ipset_audit *a = arg;
	const struct ipset_print *p = print_get(a, &a->listed);

	(void)text;
	a->budget -= (int64_t)(a->listed_n + a->listed_others) + 1;
	if (is_disturbed(a) || (err != 0 && err != -ENOENT)) {
		look_end(a);
		return;
	}
	if (err == -ENOENT || !p) {
		found(a, true);
		return;
	}
	if (a->listed_n != p->n || a->listed_others != p->n_others || a->listed_sum != p->sum) {
		found(a, false);
		return;
	}
	list_next(a);
}

static void list_begin(void *arg)
{
	struct ipset_audit *a = arg;

	a->listed_n = a->listed_others = 0;
	a->listed_sum = 0;
}

static bool is_seen_at(const struct ipset_audit *a, size_t i)
{
	return ((const struct ipset_print *)map_at(&a->prints, i, NULL, NULL))->is_seen;
}

/* In turn; a cycle is complete when the last one was compared. */
static void list_next(struct ipset_audit *a)
{
	const struct nl_dump_spec spec = {
		.arg = a, .begin = list_begin, .on_msg = list_msg, .done = list_done
	};
	const void *key;

	while (a->next < a->prints.n && !is_seen_at(a, a->next))
		a->next++; /* gone, and known to be */
	if (a->next >= a->prints.n) {
		a->next = 0;
		a->stats.cycles++;
		a->stats.last_at = ev_now(a->loop);
		clean(a);
		return;
	}
	if (a->budget <= 0) {
		clean(a);
		return;
	}
	(void)map_at(&a->prints, a->next++, &key, NULL);
	memcpy(&a->listed, key, sizeof(a->listed));
	list_begin(a);
	nl_dump_send(a->dump, ipset_msg_list(&a->applier->dialect, a->listed.name), &spec);
}

static void headers_begin(void *arg)
{
	struct ipset_audit *a = arg;

	a->n_members = 0;
	map_for_each (&a->prints, i)
		((struct ipset_print *)map_at(&a->prints, i, NULL, NULL))->is_seen = false;
}

static int headers_msg(void *arg, const struct nl_head *head, struct rd body)
{
	struct ipset_audit *a = arg;
	struct ipset_print *p;
	struct ipset_key key;
	struct ipset_msg s;

	(void)head;
	if (ipset_msg_parse(body, &s) < 0)
		return -EBADMSG;
	if (!s.has_header)
		return 0;
	if (s.has_n_members)
		a->n_members += s.n_members;
	if (!a->host.is_ours(a->host.arg, s.name))
		return 0;
	key = key_of(s.name);
	if (a->prints.n >= KERNEL_IPSET_SETS_MAX && !print_get(a, &key))
		return -E2BIG;
	p = print_make(a, &key);
	p->is_seen = true;
	p->seen = s.value;
	p->seen_n = s.has_n_members ? s.n_members : p->n + p->n_others;
	return 0;
}

static bool sets_differ(const struct ipset_audit *a)
{
	map_for_each (&a->prints, i) {
		const struct ipset_print *p = map_at(&a->prints, i, NULL, NULL);

		if (p->has_value != p->is_seen)
			return true;
		if (p->is_seen && !ipset_value_same((struct bytes){ &p->value, sizeof(p->value) },
						    (struct bytes){ &p->seen, sizeof(p->seen) }))
			return true;
	}
	return false;
}

static bool counts_differ(const struct ipset_audit *a)
{
	map_for_each (&a->prints, i) {
		const struct ipset_print *p = map_at(&a->prints, i, NULL, NULL);

		if (p->is_seen && p->seen_n != p->n + p->n_others)
			return true;
	}
	return false;
}

static void headers_done(void *arg, int err, const char *text)
{
	struct ipset_audit *a = arg;

	(void)text;
	if (err != 0 || is_disturbed(a)) {
		look_end(a);
		return;
	}
	a->stats.looks++;
	if (sets_differ(a))
		found(a, true);
	else if (counts_differ(a))
		found(a, false);
	else
		list_next(a);
}

static void on_timer(void *arg)
{
	const struct nl_dump_spec spec = {
		.arg = arg, .begin = headers_begin, .on_msg = headers_msg, .done = headers_done
	};
	struct ipset_audit *a = arg;

	a->began = mono_read();
	a->n_ops = a->applier->n_ops;
	a->budget = MIN(a->budget + IPSET_LIST_PER_LOOK, (int64_t)IPSET_LIST_PER_LOOK);
	if (is_disturbed(a)) {
		look_end(a);
		return;
	}
	a->is_looking = true;
	headers_begin(a);
	nl_dump_send(a->dump, ipset_msg_list_headers(&a->applier->dialect), &spec);
}

/* ---- life ---- */

void ipset_audit_init(struct ipset_audit *a, struct ev_loop *loop,
		      const struct ipset_applier *applier, const struct ipset_audit_host *host)
{
	*a = (struct ipset_audit){ .loop = loop, .applier = applier, .host = *host };
	a->timer = ev_timer_new(loop, "ipset-audit", on_timer, a);
}

void ipset_audit_fini(struct ipset_audit *a)
{
	ev_timer_free(a->timer);
	map_for_each (&a->prints, i)
		free(map_at(&a->prints, i, NULL, NULL));
	map_fini(&a->prints);
}

void ipset_audit_start(struct ipset_audit *a)
{
	if (!a->is_looking && !ev_timer_is_set(a->timer))
		ev_timer_set(a->timer, ev_jitter_us(a->loop, IPSET_POLL_US));
}
