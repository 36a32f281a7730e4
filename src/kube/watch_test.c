/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole client against a scripted server, in simulated time: every answer here is one that API
 * servers give, or one that breaks.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/test.h"
#include "ev/sim.h"
#include "kube/client.h"
#include "kube/fake_pb.h"
#include "kube/fake_server.h"
#include "model/node.h"

struct bench {
	struct ev_loop *loop;
	struct fake_server server;
	struct kube_client *client;
	struct kube_watch *watch;
	struct strbuf seen;  /* "+name ~name -name SYNC" */
	const char *free_at; /* frees watch and client inside the report of this event */
};

static void seen_note(struct bench *b, const char *what, const char *key)
{
	if (b->seen.len > 0)
		strbuf_putc(&b->seen, ' ');
	strbuf_fmt(&b->seen, "%s%s", what, key);
	if (b->free_at && strcmp(b->free_at, key) == 0) {
		kube_watch_free(b->watch);
		kube_client_free(b->client);
		b->watch = NULL;
		b->client = NULL;
	}
}

static void on_changed(void *arg, const char *key, const void *old, const void *now)
{
	seen_note(arg, !old ? "+" : now ? "~" : "-", key);
}

static void on_synced(void *arg)
{
	seen_note(arg, "", "SYNC");
}

static void no_line(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static struct kube_conf *conf_new(void)
{
	struct kube_conf *c = xcalloc(1, sizeof(*c));
	const char *why;

	c->server = xstrdup("https://fake:6443");
	assert_int_equal(kube_url_parse(c->server, &c->url, &why), 0);
	kube_secret_set(&c->token, "secret", 6);
	return c;
}

static void bench_init(struct bench *b, uint64_t seed)
{
	const struct kube_watch_events ev = { b, on_changed, on_synced };

	*b = (struct bench){ .loop = ev_new_sim(seed) };
	log_sink_set(no_line, NULL);
	fake_server_init(&b->server, b->loop);
	const struct kube_dialer dialer = fake_server_dialer(&b->server);

	b->client = kube_client_new_with(b->loop, conf_new(), &dialer);
	b->watch = kube_watch_new(b->client, &kube_kind_node, &ev);
}

static void bench_fini(struct bench *b)
{
	kube_watch_free(b->watch);
	kube_client_free(b->client);
	fake_server_fini(&b->server);
	strbuf_fini(&b->seen);
	ev_free(b->loop);
	log_sink_set(NULL, NULL);
}

static void bench_run(struct bench *b, int64_t ms)
{
	(void)ev_sim_advance(b->loop, ms * US_PER_MS);
}

/* What was seen since the last time. */
#define SEEN(b, name, want)                                                                        \
	do {                                                                                       \
		CHECK_STR(name, strbuf_text(&(b)->seen), want);                                    \
		strbuf_clear(&(b)->seen);                                                          \
	} while (0)

/* A list answer of nodes "name[=label]" separated by blanks, each in version 1. */
static void list_body(struct strbuf *out, const char *names, const char *version, const char *cont)
{
	CLEANUP_STRBUF struct strbuf list = STRBUF_INIT, part = STRBUF_INIT;
	struct strv v = { 0 };

	fake_list_meta(&part, version, cont);
	fake_sub(&list, 1, &part);
	strv_split(&v, names, ' ');
	for (size_t i = 0; i < v.n && *v.v[i]; i++) {
		char *eq = strchr(v.v[i], '=');

		if (eq)
			*eq = '\0';
		strbuf_clear(&part);
		fake_node(&part, &(struct fake_node){ .name = v.v[i],
						      .version = "1",
						      .label = eq ? eq + 1 : NULL,
						      .pod_cidr = "10.1.0.0/24" });
		fake_sub(&list, 2, &part);
	}
	strv_fini(&v);
	fake_envelope(out, "NodeList", &list);
}

static void list_answer(struct bench *b, size_t i, const char *names, const char *version,
			const char *cont)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct fake_request *r = fake_server_request(&b->server, i);

	list_body(&body, names, version, cont);
	fake_server_answer(&b->server, r, "200", KUBE_TYPE_PROTOBUF, "");
	fake_server_send(&b->server, r, &body);
	fake_server_end(&b->server, r);
	bench_run(b, 1);
}

static void watch_answer(struct bench *b, size_t i)
{
	fake_server_answer(&b->server, fake_server_request(&b->server, i), "200",
			   KUBE_TYPE_PROTOBUF ";stream=watch", "");
	bench_run(b, 1);
}

static void frame_send(struct bench *b, size_t i, const char *type, const struct fake_node *n)
{
	CLEANUP_STRBUF struct strbuf node = STRBUF_INIT, frame = STRBUF_INIT;

	fake_node(&node, n);
	fake_frame(&frame, type, "Node", &node);
	fake_server_send(&b->server, fake_server_request(&b->server, i), &frame);
	bench_run(b, b->server.byte_by_byte ? 20 : 1);
}

static void error_answer(struct bench *b, size_t i, const char *status, int code,
			 const char *reason, const char *retry_after)
{
	CLEANUP_STRBUF struct strbuf st = STRBUF_INIT, body = STRBUF_INIT;
	struct fake_request *r = fake_server_request(&b->server, i);

	fake_status(&st, code, reason, "the message");
	fake_envelope(&body, "Status", &st);
	fake_server_answer(&b->server, r, status, KUBE_TYPE_PROTOBUF, retry_after);
	fake_server_send(&b->server, r, &body);
	fake_server_end(&b->server, r);
	bench_run(b, 1);
}

static void error_event(struct bench *b, size_t i, int code, const char *reason)
{
	CLEANUP_STRBUF struct strbuf st = STRBUF_INIT, frame = STRBUF_INIT;

	fake_status(&st, code, reason, "too old");
	fake_frame(&frame, "ERROR", "Status", &st);
	fake_server_send(&b->server, fake_server_request(&b->server, i), &frame);
	bench_run(b, 1);
}

static bool path_has(struct bench *b, size_t i, const char *part)
{
	const char *path = fake_server_request(&b->server, i)->path;

	if (!strstr(path, part))
		print_error("path: %s\n", path);
	return strstr(path, part) != NULL;
}

static struct kube_watch_stats stats_of(const struct bench *b)
{
	struct kube_watch_stats s;

	kube_watch_stats_get(b->watch, &s);
	return s;
}

/* Up to a running watch on the request with number 1, nodes a and b in the cache. */
static void bench_synced(struct bench *b, uint64_t seed)
{
	bench_init(b, seed);
	bench_run(b, 1);
	list_answer(b, 0, "a b", "100", "");
	SEEN(b, "first list", "+a +b SYNC");
	watch_answer(b, 1);
}

static void test_pages_then_watch(void **state)
{
	struct bench b;
	const struct node *n;

	(void)state;
	bench_init(&b, 1);
	bench_run(&b, 1);
	CHECK_STR("first page", fake_server_request(&b.server, 0)->path, "/api/v1/nodes?limit=500");
	CHECK_STR("accept", fake_server_request(&b.server, 0)->accept, KUBE_TYPE_PROTOBUF);
	CHECK_STR("token", fake_server_request(&b.server, 0)->authorization, "Bearer secret");
	list_answer(&b, 0, "a b", "100", "next+/=");
	SEEN(&b, "nothing before the last page", "");
	CHECK("unsynced", !kube_watch_is_synced(b.watch) && kube_watch_count(b.watch) == 0);
	CHECK("token is escaped", path_has(&b, 1, "?limit=500&continue=next%2B%2F%3D"));
	list_answer(&b, 1, "c", "100", "");
	SEEN(&b, "one step", "+a +b +c SYNC");
	CHECK("watch", path_has(&b, 2, "watch=true&allowWatchBookmarks=true&timeoutSeconds="));
	CHECK("resumes", path_has(&b, 2, "&resourceVersion=100"));
	watch_answer(&b, 2);
	frame_send(&b, 2, "ADDED", &(struct fake_node){ .name = "d", .version = "101" });
	frame_send(&b, 2, "MODIFIED", &(struct fake_node){ "a", "102", "10.1.0.0/24", "x", 0, 0 });
	frame_send(&b, 2, "DELETED", &(struct fake_node){ .name = "b", .version = "103" });
	SEEN(&b, "events", "+d ~a -b");
	n = kube_watch_get(b.watch, "a");
	CHECK("content", n && strcmp(kv_get(n->meta.labels, n->meta.n_labels, "l"), "x") == 0);
	CHECK("gone", !kube_watch_get(b.watch, "b") && kube_watch_count(b.watch) == 3);
	bench_fini(&b);
}

static void test_heartbeat_is_silent(void **state)
{
	struct bench b;
	const struct node *n;

	(void)state;
	bench_synced(&b, 2);
	n = kube_watch_get(b.watch, "a");
	for (unsigned i = 0; i < 5; i++)
		frame_send(&b, 1, "MODIFIED",
			   &(struct fake_node){ "a", i < 4 ? "7" : "18446744073709551615",
						"10.1.0.0/24", NULL, i, i * 100 });
	SEEN(&b, "no event", "");
	CHECK("same block", kube_watch_get(b.watch, "a") == n);
	CHECK_STR("its version moves in place", n->meta.resource_version, "18446744073709551615");
	bench_fini(&b);
}

static void test_bookmark_moves_the_resume_point(void **state)
{
	struct bench b;

	(void)state;
	bench_synced(&b, 3);
	frame_send(&b, 1, "BOOKMARK", &(struct fake_node){ .name = "", .version = "555" });
	SEEN(&b, "no event", "");
	CHECK("counted", stats_of(&b).bookmarks == 1);
	bench_run(&b, 6000);
	fake_server_end(&b.server, fake_server_request(&b.server, 1));
	bench_run(&b, 1);
	CHECK("goes on at once from the bookmark", path_has(&b, 2, "&resourceVersion=555"));
	bench_fini(&b);
}

static void test_expired_watch_lists_difference(void **state)
{
	static const struct {
		const char *name, *reason;
		int code;
		bool is_status; /* as an HTTP answer rather than an event */
	} rows[] = {
		{ "410 event", "Expired", 410, false },
		{ "Expired event with an odd code", "Expired", 500, false },
		{ "410 answer", "Gone", 410, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench b;

		if (rows[i].is_status) {
			bench_init(&b, 4);
			bench_run(&b, 1);
			list_answer(&b, 0, "a b", "100", "");
			SEEN(&b, rows[i].name, "+a +b SYNC");
			error_answer(&b, 1, "410", 410, rows[i].reason, "");
		} else {
			bench_synced(&b, 4);
			error_event(&b, 1, rows[i].code, rows[i].reason);
		}
		CHECK(rows[i].name, stats_of(&b).expired == 1);
		bench_run(&b, 300);
		CHECK(rows[i].name, path_has(&b, 2, "/api/v1/nodes?limit=500"));
		CHECK(rows[i].name, kube_watch_count(b.watch) == 2);
		list_answer(&b, 2, "a=new c", "200", "");
		SEEN(&b, rows[i].name, "~a +c -b");
		CHECK(rows[i].name, path_has(&b, 3, "&resourceVersion=200"));
		bench_fini(&b);
	}
}

static void test_expired_continue_starts_over(void **state)
{
	struct bench b;
	size_t at = 0;

	(void)state;
	bench_init(&b, 5);
	bench_run(&b, 1);
	for (int round = 0; round < 3; round++) {
		CHECK("pages", path_has(&b, at, "?limit=500"));
		list_answer(&b, at, "gone", "100", "tok");
		CHECK("token", path_has(&b, at + 1, "&continue=tok"));
		error_answer(&b, at + 1, "410", 410, "Expired", "");
		SEEN(&b, "half a list has no effect", "");
		bench_run(&b, 5000);
		at += 2;
	}
	CHECK_STR("then in one piece", fake_server_request(&b.server, at)->path, "/api/v1/nodes");
	list_answer(&b, at, "a", "300", "");
	SEEN(&b, "nothing of the abandoned lists", "+a SYNC");
	bench_fini(&b);
}

static void test_cut_mid_frame(void **state)
{
	CLEANUP_STRBUF struct strbuf node = STRBUF_INIT, frame = STRBUF_INIT;
	struct kube_client_stats cs;
	struct bench b;

	(void)state;
	bench_synced(&b, 6);
	fake_node(&node, &(struct fake_node){ .name = "x", .version = "101" });
	fake_frame(&frame, "ADDED", "Node", &node);
	frame.len -= 5;
	fake_server_send(&b.server, fake_server_request(&b.server, 1), &frame);
	bench_run(&b, 6000);
	fake_server_cut(&b.server, 0);
	bench_run(&b, 1);
	SEEN(&b, "half an event is none", "");
	kube_client_stats_get(b.client, &cs);
	CHECK("noticed", !cs.connected && strstr(cs.last_error, "closed"));
	bench_run(&b, 600);
	CHECK("first retry is fast", b.server.n_conns == 2);
	CHECK("same point", path_has(&b, 2, "&resourceVersion=100"));
	CHECK("cache kept", kube_watch_count(b.watch) == 2 && kube_watch_is_synced(b.watch));
	watch_answer(&b, 2);
	frame_send(&b, 2, "ADDED", &(struct fake_node){ .name = "x", .version = "101" });
	SEEN(&b, "whole now", "+x");
	bench_fini(&b);
}

static void test_bytes_one_at_a_time(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 7);
	b.server.byte_by_byte = true;
	bench_run(&b, 100);
	list_answer(&b, 0, "a b=x c", "100", "");
	bench_run(&b, 100);
	SEEN(&b, "list", "+a +b +c SYNC");
	watch_answer(&b, 1);
	bench_run(&b, 100);
	frame_send(&b, 1, "MODIFIED", &(struct fake_node){ "a", "9", "10.9.0.0/24", "y", 0, 500 });
	frame_send(&b, 1, "DELETED", &(struct fake_node){ .name = "b", .version = "10" });
	bench_run(&b, 100);
	SEEN(&b, "events", "~a -b");
	bench_fini(&b);
}

static void test_malformed_objects(void **state)
{
	static const struct {
		const char *name, *type, *kind, *bytes;
		size_t len;
	} rows[] = {
		{ "cut short", "MODIFIED", "Node", "\x0a\x7f\x01", 3 },
		{ "wrong wire type", "MODIFIED", "Node", "\x08\x01", 2 },
		{ "no name", "ADDED", "Node", "\x0a\x00", 2 },
		{ "another kind", "ADDED", "Pod", "\x0a\x03\x0a\x01x", 5 },
		{ "unknown event", "RENAMED", "Node", "\x0a\x03\x0a\x01x", 5 },
		{ "delete without name", "DELETED", "Node", "\x0a\x00", 2 },
	};
	struct bench b;

	(void)state;
	bench_synced(&b, 8);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf object = STRBUF_INIT, frame = STRBUF_INIT;

		strbuf_add(&object, rows[i].bytes, rows[i].len);
		fake_frame(&frame, rows[i].type, rows[i].kind, &object);
		fake_server_send(&b.server, fake_server_request(&b.server, 1), &frame);
		bench_run(&b, 1);
		SEEN(&b, rows[i].name, "");
		CHECK(rows[i].name, stats_of(&b).refused == i + 1);
	}
	frame_send(&b, 1, "ADDED", &(struct fake_node){ .name = "ok", .version = "101" });
	SEEN(&b, "the stream goes on", "+ok");
	bench_fini(&b);
}

/* In a list: a refused object with a name keeps its old content; one without keeps all. */
static void test_malformed_in_list(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		const char *want;
	} rows[] = {
		/* metadata { name "b" }, spec of wire type varint */
		{ "named",
		  "\x0a\x03\x0a\x01"
		  "b"
		  "\x10\x01",
		  7, "~a -c" },
		{ "nameless", "\x0a\x7f", 2, "~a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf list = STRBUF_INIT, part = STRBUF_INIT,
					     body = STRBUF_INIT;
		struct fake_request *r;
		struct bench b;

		bench_init(&b, 9);
		bench_run(&b, 1);
		list_answer(&b, 0, "a b c", "100", "");
		SEEN(&b, rows[i].name, "+a +b +c SYNC");
		watch_answer(&b, 1);
		error_event(&b, 1, 410, "Expired");
		bench_run(&b, 300);
		fake_list_meta(&part, "200", "");
		fake_sub(&list, 1, &part);
		fake_bytes(&list, 2, rows[i].bytes, rows[i].len);
		strbuf_clear(&part);
		fake_node(&part,
			  &(struct fake_node){ .name = "a", .version = "150", .label = "n" });
		fake_sub(&list, 2, &part);
		fake_envelope(&body, "NodeList", &list);
		r = fake_server_request(&b.server, 2);
		fake_server_answer(&b.server, r, "200", KUBE_TYPE_PROTOBUF, "");
		fake_server_send(&b.server, r, &body);
		fake_server_end(&b.server, r);
		bench_run(&b, 1);
		SEEN(&b, rows[i].name, rows[i].want);
		CHECK(rows[i].name, kube_watch_get(b.watch, "b") && stats_of(&b).refused == 1);
		bench_fini(&b);
	}
}

static void test_goaway(void **state)
{
	struct bench b;

	(void)state;
	bench_synced(&b, 10);
	fake_server_goaway(&b.server, 0);
	bench_run(&b, 10);
	CHECK("the watch stays on the old connection", fake_server_is_open(&b.server, 0));
	frame_send(&b, 1, "ADDED", &(struct fake_node){ .name = "late", .version = "101" });
	SEEN(&b, "and is served", "+late");
	bench_run(&b, 6000);
	fake_server_end(&b.server, fake_server_request(&b.server, 1));
	bench_run(&b, 10);
	CHECK("the next goes to a new one", fake_server_request(&b.server, 2)->conn == 1);
	CHECK("from where it was", path_has(&b, 2, "&resourceVersion=101"));
	CHECK("the old one is closed", !fake_server_is_open(&b.server, 0));
	bench_fini(&b);
}

static void test_ping(void **state)
{
	struct kube_client_stats cs;
	struct bench b;

	(void)state;
	bench_synced(&b, 11);
	bench_run(&b, 29000);
	CHECK("not yet", b.server.pings == 0);
	bench_run(&b, 1500);
	CHECK("after 30 s of silence", b.server.pings == 1);
	bench_run(&b, 100000);
	CHECK("answered: goes on", b.server.n_conns == 1 && b.server.pings >= 3);
	b.server.mute_below =
		1; /* at 130.5 s; the last answer came at 120 s, so the next PING is at 150 s */
	bench_run(&b, 33500);
	kube_client_stats_get(b.client, &cs);
	CHECK("not before 15 s more", cs.pings_lost == 0);
	bench_run(&b, 2500);
	kube_client_stats_get(b.client, &cs);
	CHECK("then it is dead", cs.pings_lost == 1 && !fake_server_is_open(&b.server, 0));
	bench_run(&b, 60000);
	CHECK("and replaced", b.server.n_conns >= 2 && b.server.n_requests == 3);
	bench_fini(&b);
}

static void test_outage_backs_off(void **state)
{
	struct kube_client_stats cs;
	struct bench b;
	size_t after_10s, after_100s;

	(void)state;
	bench_init(&b, 12);
	b.server.refuse = true;
	bench_run(&b, 10000);
	after_10s = b.server.n_conns;
	CHECK("0, 0.25, 0.8, 1.6, 3.2, 6.4", after_10s >= 5 && after_10s <= 7);
	bench_run(&b, 90000);
	after_100s = b.server.n_conns;
	CHECK("every 30 s at last", after_100s - after_10s >= 3 && after_100s - after_10s <= 5);
	b.server.refuse = false;
	for (int i = 0; i < 320 && b.server.n_requests == 0; i++)
		bench_run(&b, 100);
	kube_client_stats_get(b.client, &cs);
	CHECK("back", cs.connected && cs.connects == 1 && cs.connect_failures == after_100s);
	CHECK("the error is over", cs.last_error[0] == '\0');
	list_answer(&b, b.server.n_requests - 1, "a", "1", "");
	SEEN(&b, "synced at last", "+a SYNC");

	/* lost again soon after: the long outage before does not count */
	fake_server_cut(&b.server, b.server.n_conns - 1);
	bench_run(&b, 1);
	after_100s = b.server.n_conns;
	bench_run(&b, 2000);
	CHECK("soon again", b.server.n_conns > after_100s);
	bench_fini(&b);
}

static void test_server_errors(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 13);
	bench_run(&b, 1);
	error_answer(&b, 0, "429", 429, "TooManyRequests", "20");
	bench_run(&b, 19000);
	CHECK("Retry-After is kept", b.server.n_requests == 1);
	bench_run(&b, 1100);
	error_answer(&b, 1, "403", 403, "Forbidden", "");
	CHECK("counted", stats_of(&b).failures == 2);
	bench_run(&b, 1000);
	fake_server_reset(&b.server, fake_server_request(&b.server, 2));
	bench_run(&b, 2000);
	list_answer(&b, 3, "a", "100", "");
	SEEN(&b, "goes on", "+a SYNC");
	/* a watch that is refused again and again lists anew */
	for (size_t i = 4; i < 7; i++) {
		CHECK("watch", path_has(&b, i, "watch=true"));
		error_answer(&b, i, "400", 400, "BadRequest", "");
		bench_run(&b, 5000);
	}
	CHECK("list again", path_has(&b, 7, "?limit=500"));
	bench_fini(&b);
}

static void test_watch_that_ends_at_once(void **state)
{
	struct bench b;

	(void)state;
	bench_synced(&b, 14);
	for (size_t i = 1; i < 40 && b.server.n_requests > i; i++) {
		if (i > 1)
			watch_answer(&b, i);
		fake_server_end(&b.server, fake_server_request(&b.server, i));
		bench_run(&b, 1000);
	}
	CHECK("no circle", b.server.n_requests <= 6);
	bench_fini(&b);
}

static void test_list_cut_short(void **state)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct fake_request *r;
	struct bench b;

	(void)state;
	bench_init(&b, 15);
	bench_run(&b, 1);
	list_body(&body, "a b c", "100", "");
	body.len -= 30;
	r = fake_server_request(&b.server, 0);
	fake_server_answer(&b.server, r, "200", KUBE_TYPE_PROTOBUF, "");
	fake_server_send(&b.server, r, &body);
	fake_server_end(&b.server, r);
	bench_run(&b, 1);
	SEEN(&b, "a list that ends early is none", "");
	CHECK("counted", stats_of(&b).failures == 1 && !kube_watch_is_synced(b.watch));
	bench_run(&b, 500);
	list_answer(&b, 1, "a", "100", "");
	SEEN(&b, "asked again", "+a SYNC");
	bench_fini(&b);
}

static void test_garbage_instead_of_http2(void **state)
{
	struct bench b;

	(void)state;
	bench_synced(&b, 16);
	fake_server_garbage(&b.server, 0, "HTTP/1.1 400 Bad Request\r\n\r\n junk junk junk junk");
	bench_run(&b, 600);
	CHECK("dropped and dialled anew", b.server.n_conns == 2);
	CHECK("old one closed", !fake_server_is_open(&b.server, 0));
	bench_fini(&b);
}

static void test_silent_list_times_out(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b, 17);
	bench_run(&b, 121000);
	CHECK("reset", fake_server_request(&b.server, 0)->is_reset);
	bench_run(&b, 1000);
	list_answer(&b, 1, "a", "100", "");
	SEEN(&b, "asked again", "+a SYNC");
	bench_fini(&b);
}

/* The owner frees watch and client from inside a report, at each kind of place. */
static void test_free_inside_report(void **state)
{
	static const char *const rows[] = { "a", "b", "c", "SYNC", "d", "e" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench b;

		bench_init(&b, 18);
		b.free_at = rows[i];
		bench_run(&b, 1);
		list_answer(&b, 0, "a b c", "100", "");
		if (b.watch) {
			watch_answer(&b, 1);
			frame_send(&b, 1, "ADDED",
				   &(struct fake_node){ .name = "d", .version = "8" });
		}
		if (b.watch) {
			error_event(&b, 1, 410, "Expired");
			bench_run(&b, 300);
			list_answer(&b, 2, "e a", "200", "");
		}
		CHECK(rows[i], !b.watch);
		bench_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_then_watch),
		cmocka_unit_test(test_heartbeat_is_silent),
		cmocka_unit_test(test_bookmark_moves_the_resume_point),
		cmocka_unit_test(test_expired_watch_lists_difference),
		cmocka_unit_test(test_expired_continue_starts_over),
		cmocka_unit_test(test_cut_mid_frame),
		cmocka_unit_test(test_bytes_one_at_a_time),
		cmocka_unit_test(test_malformed_objects),
		cmocka_unit_test(test_malformed_in_list),
		cmocka_unit_test(test_goaway),
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_outage_backs_off),
		cmocka_unit_test(test_server_errors),
		cmocka_unit_test(test_watch_that_ends_at_once),
		cmocka_unit_test(test_list_cut_short),
		cmocka_unit_test(test_garbage_instead_of_http2),
		cmocka_unit_test(test_silent_list_times_out),
		cmocka_unit_test(test_free_inside_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
