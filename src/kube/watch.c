/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins the pieces: kube/reflect.h says what comes next, kube/request.h carries it, kube/frames.h
 * cuts the answer into objects, kube/cache.h compares and keeps them.
 *
 * At any time a watch has one request under way, or a timer, never both. A list asks for the newest
 * state (no resourceVersion) in pages of 500; when its continue tokens keep expiring (the cluster
 * changes faster than we page) it is asked for in one piece.
 *
 * The owner may free the watch from inside changed() or synced(). Every entry therefore counts its
 * depth, and the watch goes when the outermost one returns.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "kube/backoff.h"
#include "kube/cache.h"
#include "kube/client.h"
#include "kube/frames.h"
#include "kube/reflect.h"

#define PAGE_LIMIT         500
#define PAGE_EXPIRIES_MAX  3                /* in a row; then without pages */
#define LIST_TIMEOUT_US    (120 * US_PER_S) /* one page, waiting for a connection included */
#define WATCH_MIN_S        300
#define WATCH_SPREAD_S     300
#define WATCH_GRACE_US     (30 * US_PER_S) /* the server ends a watch; if not, we do */
#define WATCH_STABLE_US    (5 * US_PER_S)
#define WATCH_REFUSALS_MAX 3 /* HTTP errors in a row; then list again */

struct kube_watch {
	struct kube_client *client;
	struct ev_loop *loop;
	const struct kube_kind *kind;
	struct kube_watch_events events;
	struct kube_cache cache;
	enum kube_reflect_state state;
	struct kube_request *request;
	struct ev_timer *timer;
	struct kube_list_frames list;
	struct kube_watch_frames watch;
	struct kube_backoff backoff;
	char version[KUBE_VERSION_MAX]; /* where the watch goes on */
	char list_version[KUBE_VERSION_MAX];
	char *continue_; /* of the next page, "" on the last one; NULL before the first */
	unsigned n_page_expiries, n_refusals;
	struct mono started;         /* the request under way */
	struct kube_problem problem; /* of an ERROR event */
	bool is_synced;
	struct kube_watch_stats stats;
	unsigned depth;
	bool is_dying;
};

static void reflect(struct kube_watch *w, enum kube_reflect_event event, int64_t at_least_us);

static void watch_destroy(struct kube_watch *w)
{
	kube_request_cancel(w->request);
	kube_list_frames_fini(&w->list);
	kube_watch_frames_fini(&w->watch);
	kube_cache_fini(&w->cache);
	ev_timer_free(w->timer);
	free(w->continue_);
	free(w);
}

static void watch_leave(struct kube_watch *w)
{
	if (--w->depth == 0 && w->is_dying)
		watch_destroy(w);
}

void kube_watch_free(struct kube_watch *w)
{
	if (!w)
		return;
	/* the request goes now: its callbacks may be on the stack, and its client may go next */
	kube_request_cancel(w->request);
	w->request = NULL;
	w->is_dying = true;
	if (w->depth == 0)
		watch_destroy(w);
}

static bool on_changed(void *arg, const char *key, const void *old, const void *now)
{
	struct kube_watch *w = arg;

	w->stats.events++;
	w->events.changed(w->events.arg, key, old, now);
	return !w->is_dying;
}

static void refused(struct kube_watch *w, const char *name, const char *what)
{
	char quoted[LOG_QUOTE_MAX];

	w->stats.refused++;
	LOG_LIMIT(log_warning, "kube: object refused kind=%s name=%s reason=%s", w->kind->name,
		  log_quote(quoted, name), what);
}

static void object_refused(struct kube_watch *w, struct rd raw, int err, const struct pb_err *why)
{
	char key[KUBE_KEY_MAX], what[160];

	if (err == -ENOSPC)
		(void)snprintf(what, sizeof(what), "\"the cache is full\"");
	else
		(void)snprintf(what, sizeof(what), "\"%s%s%s: %s\"", why->type,
			       *why->field ? "." : "", why->field, why->what);
	refused(w, kube_cache_name_of(raw, key), what);
}

static int on_too_large(void *arg, uint64_t size)
{
	struct kube_watch *w = arg;
	char what[64];

	(void)snprintf(what, sizeof(what), "\"%llu bytes\"", (unsigned long long)size);
	if (w->state == KUBE_REFLECT_LIST)
		kube_cache_stage_nameless(&w->cache);
	refused(w, "?", what);
	return 0;
}

static int on_list_object(void *arg, struct rd raw)
{
	struct kube_watch *w = arg;
	struct pb_err why = { "", "", "" };
	int r = kube_cache_stage(&w->cache, raw, &why);

	if (r < 0)
		object_refused(w, raw, r, &why);
	return 0;
}

static int on_list_meta(void *arg, struct rd bytes)
{
	struct kube_watch *w = arg;
	struct kube_list_meta *m;
	struct pb_err why;
	size_t size;
	int r = pb_measure(&kube_list_meta_type, bytes, &size, &why);

	if (r < 0)
		return r;
	m = xmalloc(size);
	pb_fill(&kube_list_meta_type, bytes, m, size);
	free(w->continue_);
	w->continue_ = xstrdup(m->continue_);
	/* each page names the version of the whole list */
	r = str_copy(w->list_version, sizeof(w->list_version), m->resource_version);
	free(m);
	return r;
}

/* ERROR events end the watch; what is in them decides how it goes on. */
static int on_error_event(struct kube_watch *w, struct rd object)
{
	w->problem = (struct kube_problem){ .code = 500, .retry_after_us = -1 };
	if (kube_problem_from_status(&w->problem, object.pos, object.left) < 0)
		(void)str_copy(w->problem.message, sizeof(w->problem.message),
			       "unreadable error event");
	if (w->problem.code == 410 || str_eq(w->problem.reason, "Expired") ||
	    str_eq(w->problem.reason, "Gone"))
		return -ESTALE;
	return -EREMOTEIO;
}

struct watch_event {
	struct rd type, object;
};

static bool watch_event_parse(struct rd in, struct watch_event *ret)
{
	struct pb_item it, inner;

	*ret = (struct watch_event){ 0 };
	while (pb_next(&in, &it)) {
		if (it.wire != PB_WIRE_BYTES)
			continue;
		if (it.number == 1)
			ret->type = it.bytes;
		if (it.number != 2)
			continue;
		while (pb_next(&it.bytes, &inner)) /* RawExtension */
			if (inner.number == 1 && inner.wire == PB_WIRE_BYTES)
				ret->object = inner.bytes;
		if (it.bytes.bad)
			return false;
	}
	return !in.bad;
}

static int watch_object(struct kube_watch *w, struct rd type, struct rd raw)
{
	struct pb_err why = { "WatchEvent", "type", "unknown" };
	int r = -EBADMSG;

	if (kube_text_is(type, "ADDED") || kube_text_is(type, "MODIFIED"))
		r = kube_cache_update(&w->cache, raw, on_changed, w, &why);
	else if (kube_text_is(type, "DELETED"))
		r = kube_cache_remove(&w->cache, raw, on_changed, w, &why);
	else if (kube_text_is(type, "BOOKMARK")) {
		w->stats.bookmarks++;
		r = 0;
	}
	if (r == -ECANCELED)
		return 0; /* freed from its own report; the request is gone already */
	if (r < 0)
		object_refused(w, raw, r, &why);
	/* also past a refused object: it was seen, and would be refused again */
	kube_cache_version_of(raw, w->version);
	return 0;
}

static int on_watch_frame(void *arg, struct rd bytes)
{
	struct kube_watch *w = arg;
	struct kube_envelope env;
	struct watch_event ev;

	if (w->is_dying)
		return 0;
	if (!watch_event_parse(bytes, &ev)) {
		refused(w, "?", "\"malformed watch event\"");
		return 0;
	}
	if (kube_text_is(ev.type, "ERROR"))
		return on_error_event(w, ev.object);
	if (kube_envelope_parse(ev.object, &env) < 0 || !kube_text_is(env.kind, w->kind->kind)) {
		refused(w, "?", "\"another kind of object\"");
		return 0;
	}
	return watch_object(w, ev.type, env.raw);
}

/* The bytes of an answer. Nothing of w may be touched after leaving. */
static int on_data(void *arg, const uint8_t *data, size_t len)
{
	struct kube_watch *w = arg;
	bool is_dying;
	int r;

	w->depth++;
	r = w->state == KUBE_REFLECT_LIST ? kube_list_frames_feed(&w->list, data, len)
					  : kube_watch_frames_feed(&w->watch, data, len);
	is_dying = w->is_dying;
	watch_leave(w);
	return is_dying ? 0 : r;
}

static int64_t wait_us(struct kube_watch *w, int64_t at_least_us)
{
	return MAX(kube_backoff_next_us(&w->backoff, w->loop), at_least_us);
}

static void failure_note(struct kube_watch *w, const struct kube_problem *p)
{
	char text[KUBE_PROBLEM_FMT_MAX];

	w->stats.failures++;
	/* a lost connection is reported once, by the client */
	if (p->err != -ECONNRESET)
		LOG_LIMIT(log_warning, "kube: %s failed kind=%s reason=%s",
			  w->state == KUBE_REFLECT_LIST ? "list" : "watch", w->kind->name,
			  kube_problem_fmt(text, p));
}

static bool is_expired(const struct kube_problem *p)
{
	return p->err == -ESTALE || (p->err == 0 && p->code == 410);
}

static void list_done(struct kube_watch *w, const struct kube_problem *p)
{
	struct kube_problem broken = { .err = -EBADMSG };

	if (is_expired(p)) {
		w->stats.expired++;
		w->n_page_expiries++;
		reflect(w, KUBE_REFLECT_EXPIRED, 0);
		return;
	}
	if (p->err == 0 && p->code == 0) {
		if (kube_list_frames_whole(&w->list) && w->continue_ && *w->list_version) {
			w->stats.list_pages++;
			reflect(w, *w->continue_ ? KUBE_REFLECT_PAGE : KUBE_REFLECT_LISTED, 0);
			return;
		}
		(void)str_copy(broken.message, sizeof(broken.message), "the list is cut short");
		p = &broken;
	}
	failure_note(w, p);
	reflect(w, KUBE_REFLECT_FAILED, p->retry_after_us);
}

static void watch_done(struct kube_watch *w, const struct kube_problem *p)
{
	bool was_stable = mono_diff_us(ev_now(w->loop), w->started) >= WATCH_STABLE_US;

	if (p->err == -EREMOTEIO || p->err == -ESTALE)
		p = &w->problem; /* the ERROR event says more */
	if (is_expired(p) || str_eq(p->reason, "Expired") || str_eq(p->reason, "Gone")) {
		w->stats.expired++;
		w->n_refusals = 0;
		reflect(w, KUBE_REFLECT_EXPIRED, 0);
		return;
	}
	if (was_stable)
		w->backoff.n = 0;
	if (p->err == 0 && p->code == 0) {
		w->n_refusals = 0;
		reflect(w, was_stable ? KUBE_REFLECT_ENDED : KUBE_REFLECT_ENDED_SOON, 0);
		return;
	}
	failure_note(w, p);
	if (p->err == 0 && ++w->n_refusals >= WATCH_REFUSALS_MAX) {
		w->n_refusals = 0;
		reflect(w, KUBE_REFLECT_STALE, p->retry_after_us);
	} else {
		reflect(w, KUBE_REFLECT_FAILED, p->retry_after_us);
	}
}

static void on_done(void *arg, const struct kube_response *res)
{
	struct kube_watch *w = arg;

	w->request = NULL;
	w->depth++;
	if (w->state == KUBE_REFLECT_LIST)
		list_done(w, &res->problem);
	else
		watch_done(w, &res->problem);
	watch_leave(w);
}

/* RFC 3986 2.3: everything but the unreserved characters is escaped. */
static void query_put(struct strbuf *b, const char *text)
{
	for (; *text; text++) {
		unsigned char ch = (unsigned char)*text;

		if (isalnum(ch) || strchr("-._~", ch))
			strbuf_putc(b, (char)ch);
		else
			strbuf_fmt(b, "%%%02X", ch);
	}
}

static void request_send(struct kube_watch *w, const char *path, const char *accept,
			 int64_t timeout_us)
{
	const struct kube_request_spec spec = {
		.method = "GET",
		.path = path,
		.accept = accept,
		.timeout_us = timeout_us,
		.arg = w,
		.data = on_data,
		.done = on_done,
	};

	w->started = ev_now(w->loop);
	if (kube_request_new(w->client, &spec, &w->request) < 0)
		reflect(w, KUBE_REFLECT_FAILED, 0);
}

static void page_send(struct kube_watch *w)
{
	const struct kube_frames_events ev = { w, on_list_object, on_too_large, on_list_meta };
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;

	kube_list_frames_fini(&w->list);
	kube_list_frames_init(&w->list, &ev);
	strbuf_puts(&path, w->kind->path);
	if (w->n_page_expiries < PAGE_EXPIRIES_MAX)
		strbuf_fmt(&path, "?limit=%d", PAGE_LIMIT);
	if (w->continue_ && *w->continue_) {
		strbuf_puts(&path, "&continue=");
		query_put(&path, w->continue_);
	}
	free(take_ptr(w->continue_));
	request_send(w, strbuf_text(&path), KUBE_TYPE_PROTOBUF, LIST_TIMEOUT_US);
}

static void watch_send(struct kube_watch *w)
{
	const struct kube_frames_events ev = { .arg = w,
					       .object = on_watch_frame,
					       .too_large = on_too_large };
	unsigned seconds = WATCH_MIN_S + (unsigned)(ev_random(w->loop) % WATCH_SPREAD_S);
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;

	kube_watch_frames_fini(&w->watch);
	kube_watch_frames_init(&w->watch, &ev);
	strbuf_fmt(&path,
		   "%s?watch=true&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=",
		   w->kind->path, seconds);
	query_put(&path, w->version);
	w->stats.watches++;
	request_send(w, strbuf_text(&path), KUBE_TYPE_PROTOBUF ";stream=watch",
		     seconds * US_PER_S + WATCH_GRACE_US);
}

static void list_apply(struct kube_watch *w)
{
	bool was_synced = w->is_synced;

	memcpy(w->version, w->list_version, sizeof(w->version));
	w->n_page_expiries = 0;
	w->backoff.n = 0;
	w->stats.lists++;
	w->is_synced = true;
	if (kube_cache_commit(&w->cache, on_changed, w) < 0 || was_synced)
		return;
	w->events.synced(w->events.arg);
}

static void reflect(struct kube_watch *w, enum kube_reflect_event event, int64_t at_least_us)
{
	struct kube_reflect_step step = kube_reflect_step(w->state, event);

	assert(step.next != KUBE_REFLECT_NONE); /* reflect.h: cannot come in this state */
	w->state = step.next;
	if (step.act & KUBE_REFLECT_ACT_DROP)
		kube_cache_stage_drop(&w->cache);
	if (step.act & KUBE_REFLECT_ACT_APPLY)
		list_apply(w);
	if (w->is_dying)
		return;
	if (step.act & KUBE_REFLECT_ACT_BEGIN) {
		kube_cache_stage_begin(&w->cache);
		free(take_ptr(w->continue_));
		w->list_version[0] = '\0';
		page_send(w);
	}
	if (step.act & KUBE_REFLECT_ACT_PAGE)
		page_send(w);
	if (step.act & KUBE_REFLECT_ACT_WATCH)
		watch_send(w);
	if (step.act & KUBE_REFLECT_ACT_WAIT)
		ev_timer_set(w->timer, wait_us(w, at_least_us));
}

static void on_timer(void *arg)
{
	struct kube_watch *w = arg;

	w->depth++;
	reflect(w, KUBE_REFLECT_TIMER, 0);
	watch_leave(w);
}

struct kube_watch *kube_watch_new(struct kube_client *c, const struct kube_kind *kind,
				  const struct kube_watch_events *events)
{
	struct kube_watch *w = xcalloc(1, sizeof(*w));

	w->client = c;
	w->loop = kube_client_loop(c);
	w->kind = kind;
	w->events = *events;
	w->state = KUBE_REFLECT_LIST_WAIT;
	kube_cache_init(&w->cache, kind);
	w->timer = ev_timer_new(w->loop, "kube-watch", on_timer, w);
	ev_timer_set(w->timer, 0);
	return w;
}

bool kube_watch_is_synced(const struct kube_watch *w)
{
	return w->is_synced;
}

const void *kube_watch_get(const struct kube_watch *w, const char *key)
{
	return kube_cache_get(&w->cache, key);
}

size_t kube_watch_count(const struct kube_watch *w)
{
	return kube_cache_count(&w->cache);
}

int kube_watch_walk(const struct kube_watch *w,
		    int (*fn)(void *arg, const char *key, const void *obj), void *arg)
{
	return kube_cache_walk(&w->cache, fn, arg);
}

void kube_watch_stats_get(const struct kube_watch *w, struct kube_watch_stats *ret)
{
	*ret = w->stats;
	ret->objects = kube_cache_count(&w->cache);
	ret->bytes = w->cache.bytes;
}

const char *kube_watch_kind_name(const struct kube_watch *w)
{
	return w->kind->name;
}
