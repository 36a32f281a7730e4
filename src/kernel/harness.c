/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/test.h"

#define WORDS_MAX    64
#define POLL_US      (2 * US_PER_MS)
#define UNTIL_MAX_US (10 * US_PER_S)

bool harness_netns(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return false;
	return harness_run("ip link set lo up") == 0;
}

/* In the child: only what is safe between fork and exec. */
static void child_exec(char *const *argv, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)dup2(null, STDIN_FILENO);
	(void)dup2(out >= 0 ? out : null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	if (argv[0])
		(void)execvp(argv[0], argv);
	_exit(127);
}

static int run(const char *command, struct strbuf *out)
{
	CLEANUP_FREE char *copy = xstrdup(command);
	char *argv[WORDS_MAX + 1] = { NULL };
	int pipe_fds[2] = { -1, -1 }, status = 0;
	char *save = NULL, buf[4096];
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_true(n < WORDS_MAX);
		argv[n++] = w;
	}
	if (out)
		assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child_exec(argv, pipe_fds[1]);
	if (out) {
		(void)close(pipe_fds[1]);
		while ((got = read(pipe_fds[0], buf, sizeof(buf))) > 0)
			strbuf_add(out, buf, (size_t)got);
		(void)close(pipe_fds[0]);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

int harness_run(const char *command)
{
	return run(command, NULL);
}

int harness_output(const char *command, struct strbuf *out)
{
	strbuf_clear(out);
	return run(command, out);
}

size_t harness_count(const char *command, const char *text)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	size_t n = 0;

	(void)run(command, &out);
	for (const char *p = strbuf_text(&out); (p = strstr(p, text)); p += strlen(text))
		n++;
	return n;
}

struct waiting {
	struct ev_loop *loop;
	struct ev_timer *timer;
	bool (*done)(void *arg);
	void *arg;
	int64_t left_us;
	bool ok;
};

static void on_poll(void *arg)
{
	struct waiting *w = arg;

	w->ok = w->done(w->arg);
	w->left_us -= POLL_US;
	if (w->ok || w->left_us <= 0)
		ev_stop(w->loop);
	else
		ev_timer_set(w->timer, POLL_US);
}

static bool turn(struct ev_loop *loop, bool (*done)(void *arg), void *arg, int64_t max_us)
{
	struct waiting w = { .loop = loop, .done = done, .arg = arg, .left_us = max_us };

	w.timer = ev_timer_new(loop, "harness", on_poll, &w);
	ev_timer_set(w.timer, 0);
	ev_run(loop);
	ev_timer_free(w.timer);
	return w.ok;
}

bool harness_until(struct ev_loop *loop, bool (*done)(void *arg), void *arg)
{
	return turn(loop, done, arg, UNTIL_MAX_US);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

void harness_for(struct ev_loop *loop, int64_t us)
{
	(void)turn(loop, never, NULL, us);
}

/* ---- the sink ---- */

static struct bytes *value_new(struct bytes value)
{
	struct bytes *v = xcalloc(1, sizeof(*v) + value.len + 1);

	if (value.len > 0)
		memcpy(v + 1, value.data, value.len);
	*v = (struct bytes){ v + 1, value.len };
	return v;
}

static void rows_clear(struct map *m)
{
	map_for_each (m, i)
		free(map_at(m, i, &(const void *){ NULL }, &(size_t){ 0 }));
	map_fini(m);
	*m = (struct map)MAP_INIT;
}

static void on_result(void *arg, uint32_t tag, int err, const char *text)
{
	struct harness_sink *s = arg;
	struct harness_result *r;

	assert_true(tag < HARNESS_RESULTS_MAX);
	r = &s->results[tag];
	s->n_results++;
	r->n++;
	r->err = err;
	(void)snprintf(r->text, sizeof(r->text), "%s", text);
	if (r->key_len == 0 || err != 0) /* not by apply_one(), or failed */
		return;
	if (r->is_set)
		free(map_put(&s->known, r->key, r->key_len,
			     value_new((struct bytes){ r->want, r->want_len })));
	else
		free(map_del(&s->known, r->key, r->key_len));
}

static void on_present(void *arg, struct bytes key, struct bytes value)
{
	struct harness_sink *s = arg;

	s->n_present++;
	free(map_put(&s->rows, key.data, key.len, value_new(value)));
	free(map_put(&s->known, key.data, key.len, value_new(value)));
	if (s->is_dumping)
		free(map_put(&s->dump, key.data, key.len, value_new(value)));
}

static void on_absent(void *arg, struct bytes key)
{
	struct harness_sink *s = arg;

	s->n_absent++;
	free(map_del(&s->rows, key.data, key.len));
	free(map_del(&s->known, key.data, key.len));
}

static void on_dump_begin(void *arg)
{
	struct harness_sink *s = arg;

	rows_clear(&s->dump);
	s->is_dumping = true;
}

static void on_dump_end(void *arg, int err)
{
	struct harness_sink *s = arg;

	assert_true(s->is_dumping);
	s->is_dumping = false;
	s->n_dumps++;
	s->dump_err = err;
	if (err == 0) {
		rows_clear(&s->rows);
		s->rows = s->dump;
		s->dump = (struct map)MAP_INIT;
		rows_clear(&s->known);
		map_for_each (&s->rows, i) {
			const void *key;
			size_t len;
			const struct bytes *v = map_at(&s->rows, i, &key, &len);

			free(map_put(&s->known, key, len, value_new(*v)));
		}
	}
}

static void on_retry(void *arg)
{
	struct harness_sink *s = arg;

	s->n_retries++;
}

void harness_sink_init(struct harness_sink *s)
{
	*s = (struct harness_sink){ .results = xcalloc(HARNESS_RESULTS_MAX, sizeof(*s->results)) };
}

void harness_sink_fini(struct harness_sink *s)
{
	rows_clear(&s->rows);
	rows_clear(&s->known);
	rows_clear(&s->dump);
	free(s->results);
}

void harness_sink_attach(struct harness_sink *s, struct reconciler r)
{
	const struct row_sink sink = {
		.arg = s,
		.result = on_result,
		.present = on_present,
		.absent = on_absent,
		.dump_begin = on_dump_begin,
		.dump_end = on_dump_end,
		.retry = on_retry,
	};

	s->reconciler = r;
	r.ops->attach(r.self, &sink);
}

struct bytes harness_row(const struct harness_sink *s, struct bytes key)
{
	const struct bytes *v = map_get(&s->rows, key.data, key.len);

	return v ? *v : (struct bytes){ 0 };
}

static void apply_one(struct harness_sink *s, struct row_op op)
{
	CLEANUP_FREE void *have = NULL;
	const struct bytes *row = map_get(&s->known, op.key.data, op.key.len);
	struct harness_result *r = &s->results[op.tag];

	if (row && row->len > 0) { /* as an engine's: gone after the call */
		have = xmemdup(row->data, row->len);
		op.have = (struct bytes){ have, row->len };
	}
	*r = (struct harness_result){ .is_set = op.kind == ROW_SET,
				      .key_len = op.key.len,
				      .want_len = op.want.len };
	assert_true(op.key.len <= sizeof(r->key) && op.want.len <= sizeof(r->want));
	memcpy(r->key, op.key.data, op.key.len);
	if (op.want.len > 0)
		memcpy(r->want, op.want.data, op.want.len);
	s->reconciler.ops->apply(s->reconciler.self, &op, 1);
}

void harness_set(struct harness_sink *s, uint32_t tag, struct bytes key, struct bytes want)
{
	apply_one(s, (struct row_op){ .kind = ROW_SET, .tag = tag, .key = key, .want = want });
}

void harness_del(struct harness_sink *s, uint32_t tag, struct bytes key)
{
	apply_one(s, (struct row_op){ .kind = ROW_DEL, .tag = tag, .key = key });
}

bool harness_results_in(const struct harness_sink *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(s->results[i].n <= 1);
		if (s->results[i].n == 0)
			return false;
	}
	return true;
}
