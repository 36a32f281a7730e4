/* SPDX-License-Identifier: Apache-2.0 */
#include "ev/sim.h"

#include <errno.h>
#include <signal.h>

#include "base/mem.h"
#include "base/test.h"

#define N_ITEMS 6

struct item {
	struct world *w;
	char id;
	struct ev_timer *timer;
	struct ev_task *task;
	struct ev_io *io;
};

struct world {
	struct ev_loop *loop;
	struct item items[N_ITEMS];
	char log[128];
	int64_t at_us[64]; /* when each entry of the log was made */
	size_t n;
	struct ev_child_status status;
	unsigned n_done;
};

static void note(struct world *w, char what)
{
	w->at_us[w->n % 64] = ev_now(w->loop).us;
	if (w->n < sizeof(w->log) - 1)
		w->log[w->n++] = what;
}

static void timer_cb(void *arg)
{
	struct item *it = arg;

	note(it->w, it->id);
}

static void task_cb(void *arg)
{
	struct item *it = arg;

	note(it->w, (char)(it->id - 'a' + 'A'));
}

static void io_cb(void *arg, unsigned events)
{
	struct item *it = arg;

	note(it->w, (char)(it->id - 'a' + '0'));
	if (events & EV_READ)
		ev_sim_fd_set(it->w->loop, 100 + it->id, 0);
}

static struct world *world_new(uint64_t seed)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->loop = ev_new_sim(seed);
	for (int i = 0; i < N_ITEMS; i++) {
		struct item *it = &w->items[i];

		it->w = w;
		it->id = (char)('a' + i);
		it->timer = ev_timer_new(w->loop, "timer", timer_cb, it);
		it->task = ev_task_new(w->loop, "task", task_cb, it);
		it->io = ev_io_new(w->loop, "io", 100 + it->id, io_cb, it);
		ev_io_want(it->io, EV_READ);
	}
	return w;
}

static void world_free(struct world *w)
{
	for (int i = 0; i < N_ITEMS; i++) {
		ev_timer_free(w->items[i].timer);
		ev_task_free(w->items[i].task);
		ev_io_free(w->items[i].io);
	}
	ev_free(w->loop);
	free(w);
}

static void test_virtual_time(void **state)
{
	struct world *w = world_new(1);
	struct mono start = ev_now(w->loop), next;
	struct wall wall = ev_wall(w->loop);
	const int64_t day_us = 24 * 3600 * US_PER_S;

	(void)state;
	CHECK("none set", !ev_sim_next_timer(w->loop, &next));
	ev_timer_set(w->items[0].timer, day_us);
	ev_timer_set(w->items[1].timer, 5);
	ev_timer_set(w->items[2].timer, 10);
	CHECK("next", ev_sim_next_timer(w->loop, &next) && next.us == start.us + 5);
	CHECK("not yet", ev_sim_advance(w->loop, 4) == 0 && w->n == 0);
	CHECK("moved", ev_now(w->loop).us == start.us + 4);
	CHECK("one", ev_sim_advance(w->loop, 1) == 1);
	CHECK("the rest", ev_sim_advance(w->loop, 2 * day_us) == 2);
	CHECK_STR("in order", w->log, "bca");
	CHECK("at their times", w->at_us[0] == start.us + 5 && w->at_us[1] == start.us + 10 &&
					w->at_us[2] == start.us + day_us);
	CHECK("end", ev_now(w->loop).us == start.us + 2 * day_us + 5);
	CHECK("wall goes along", ev_wall(w->loop).us - wall.us == 2 * day_us + 5);
	ev_sim_wall_jump(w->loop, -US_PER_S);
	CHECK("wall jumps alone", ev_wall(w->loop).us - wall.us == 2 * day_us + 5 - US_PER_S &&
					  ev_now(w->loop).us == start.us + 2 * day_us + 5);
	world_free(w);
}

static struct world *scramble(uint64_t seed)
{
	struct world *w = world_new(seed);

	for (int i = 0; i < N_ITEMS; i++) {
		ev_timer_set(w->items[i].timer, 0);
		ev_task_post(w->items[i].task);
		ev_sim_fd_set(w->loop, 100 + w->items[i].id, EV_READ);
	}
	CHECK("all ran", ev_sim_settle(w->loop) == 3 * N_ITEMS && w->n == 3 * N_ITEMS);
	return w;
}

static void test_seeds(void **state)
{
	bool differs = false;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct world *a = scramble(seed), *b = scramble(seed), *c = scramble(seed + 1);

		CHECK_STR("same seed, same order", a->log, b->log);
		CHECK("same seed, same numbers", ev_random(a->loop) == ev_random(b->loop));
		differs = differs || strcmp(a->log, c->log) != 0;
		for (size_t i = 0; i < 2 * N_ITEMS; i++)
			CHECK("tasks come last", a->log[i] < 'A' || a->log[i] >= 'a');
		for (size_t i = 2 * N_ITEMS; i < 3 * N_ITEMS; i++)
			CHECK("tasks come last", a->log[i] >= 'A' && a->log[i] < 'a');
		world_free(a);
		world_free(b);
		world_free(c);
	}
	CHECK("different seeds, different orders", differs);
}

static void test_level(void **state)
{
	struct world *w = world_new(3);
	struct item *it = &w->items[0];

	(void)state;
	ev_io_want(it->io, EV_WRITE);
	ev_sim_fd_set(w->loop, 100 + it->id, EV_READ);
	CHECK("ready, but not wanted", ev_sim_settle(w->loop) == 0);
	ev_io_want(it->io, EV_READ | EV_WRITE);
	CHECK("wanted", ev_sim_settle(w->loop) == 1);
	CHECK("cleared by its callback", ev_sim_settle(w->loop) == 0);
	world_free(w);
}

/* Each, when it runs, frees itself and all the others: exactly one may run. */
static void free_all(struct world *w)
{
	for (int i = 0; i < N_ITEMS; i++) {
		ev_timer_free(take_ptr(w->items[i].timer));
		ev_task_free(take_ptr(w->items[i].task));
		ev_io_free(take_ptr(w->items[i].io));
	}
}

static void free_timer_cb(void *arg)
{
	struct item *it = arg;

	it->w->n_done++;
	free_all(it->w);
}

static void free_io_cb(void *arg, unsigned events)
{
	(void)events;
	free_timer_cb(arg);
}

static void test_free_in_callback(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct world *w = world_new(seed);

		free_all(w);
		for (int i = 0; i < N_ITEMS; i++) {
			struct item *it = &w->items[i];

			it->timer = ev_timer_new(w->loop, "timer", free_timer_cb, it);
			it->task = ev_task_new(w->loop, "task", free_timer_cb, it);
			it->io = ev_io_new(w->loop, "io", i, free_io_cb, it);
			if (seed % 2 == 0) /* else the tasks are the first to run */
				ev_timer_set(it->timer, 0);
			ev_task_post(it->task);
			ev_io_want(it->io, seed % 2 == 0 ? EV_READ : 0);
			ev_sim_fd_set(w->loop, i, EV_READ);
		}
		CHECK("one", ev_sim_advance(w->loop, US_PER_S) == 1 && w->n_done == 1);
		world_free(w);
	}
}

static void again_cb(void *arg)
{
	struct world *w = arg;

	note(w, 't');
	if (w->n < 3)
		ev_task_post(w->items[0].task);
}

/* A task that posts itself has its second run after what else is ready. */
static void test_task_turns(void **state)
{
	struct world *w = world_new(5);

	(void)state;
	ev_task_free(w->items[0].task);
	w->items[0].task = ev_task_new(w->loop, "again", again_cb, w);
	ev_task_post(w->items[0].task);
	ev_task_post(w->items[0].task);
	CHECK("three times", ev_sim_settle(w->loop) == 3);
	CHECK_STR("log", w->log, "ttt");
	world_free(w);
}

static void stop_cb(void *arg)
{
	struct world *w = arg;

	ev_stop(w->loop);
}

static void test_run(void **state)
{
	struct world *w = world_new(7);
	struct ev_timer *stop = ev_timer_new(w->loop, "stop", stop_cb, w);
	struct mono start = ev_now(w->loop);

	(void)state;
	ev_timer_set(w->items[0].timer, US_PER_S);
	ev_timer_set(w->items[1].timer, 3 * US_PER_S);
	ev_timer_set(stop, 2 * US_PER_S);
	ev_run(w->loop);
	CHECK_STR("until stopped", w->log, "a");
	CHECK("time", ev_now(w->loop).us == start.us + 2 * US_PER_S);
	ev_run(w->loop);
	CHECK_STR("again, until nothing is left", w->log, "ab");
	ev_timer_free(stop);
	world_free(w);
}

static void signal_cb(void *arg)
{
	note(arg, 's');
}

static void test_signal(void **state)
{
	struct world *w = world_new(9);
	struct ev_signal *s = ev_signal_new(w->loop, SIGTERM, signal_cb, w);

	(void)state;
	ev_sim_signal(w->loop, SIGHUP);
	CHECK("another one", ev_sim_settle(w->loop) == 0);
	ev_sim_signal(w->loop, SIGTERM);
	CHECK("once", ev_sim_settle(w->loop) == 1 && ev_sim_settle(w->loop) == 0);
	ev_sim_signal(w->loop, SIGTERM);
	ev_signal_free(s);
	CHECK("freed", ev_sim_settle(w->loop) == 0);
	world_free(w);
}

struct script {
	struct ev_sim_child_answer answer;
	char seen[64];
};

static void script_cb(void *arg, const struct ev_child_spec *spec,
		      struct ev_sim_child_answer *answer)
{
	struct script *s = arg;

	(void)snprintf(s->seen, sizeof(s->seen), "%s:%.*s", spec->argv[0], (int)spec->input_len,
		       spec->input ? (const char *)spec->input : "");
	*answer = s->answer;
}

static void done_cb(void *arg, const struct ev_child_status *status)
{
	struct world *w = arg;

	w->status = *status;
	w->n_done++;
	note(w, 'd');
	CHECK("texts", status->out_len == strlen(status->out));
}

static void test_child(void **state)
{
	static const struct {
		const char *name;
		struct ev_sim_child_answer answer;
		int64_t timeout_us, end_us;
		struct ev_child_status want;
	} rows[] = {
		{ "success", { .out = "ok" }, 0, 0, { .out_len = 2 } },
		{ "failure",
		  { .exit_code = 2, .err_text = "bad", .after_us = 50 },
		  100,
		  50,
		  { .exit_code = 2, .err_text_len = 3 } },
		{ "not started", { .err = -ENOENT }, 0, 0, { .err = -ENOENT, .exit_code = -1 } },
		{ "killed", { .signal = 11 }, 0, 0, { .signal = 11, .exit_code = -1 } },
		{ "too long",
		  { .after_us = 500 },
		  100,
		  100,
		  { .signal = 9, .exit_code = -1, .timed_out = true } },
		{ "for ever, limited",
		  { .after_us = EV_SIM_CHILD_FOREVER },
		  100,
		  100,
		  { .signal = 9, .exit_code = -1, .timed_out = true } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = world_new(i);
		struct script s = { .answer = rows[i].answer };
		struct mono start = ev_now(w->loop);
		const char *argv[] = { "iptables-restore", "--noflush", NULL };
		const struct ev_child_spec spec = { .name = "restore",
						    .argv = argv,
						    .input = "COMMIT",
						    .input_len = 6,
						    .timeout_us = rows[i].timeout_us };

		ev_sim_child_set(w->loop, script_cb, &s);
		(void)ev_child_start(w->loop, &spec, done_cb, w);
		CHECK(rows[i].name, w->n_done == 0);
		(void)ev_sim_advance(w->loop, US_PER_S);
		CHECK_STR(rows[i].name, s.seen, "iptables-restore:COMMIT");
		CHECK(rows[i].name, w->n_done == 1 && w->at_us[0] == start.us + rows[i].end_us);
		CHECK(rows[i].name, w->status.exit_code == rows[i].want.exit_code &&
					    w->status.signal == rows[i].want.signal &&
					    w->status.err == rows[i].want.err &&
					    w->status.timed_out == rows[i].want.timed_out &&
					    w->status.out_len == rows[i].want.out_len &&
					    w->status.err_text_len == rows[i].want.err_text_len);
		world_free(w);
	}
}

static void test_child_kill_and_forget(void **state)
{
	struct world *w = world_new(1);
	struct script s = { .answer = { .after_us = EV_SIM_CHILD_FOREVER } };
	const char *argv[] = { "kube-router", NULL };
	const struct ev_child_spec spec = { .name = "bgp", .argv = argv };
	struct ev_child *c;

	(void)state;
	ev_sim_child_set(w->loop, script_cb, &s);
	c = ev_child_start(w->loop, &spec, done_cb, w);
	(void)ev_sim_advance(w->loop, 3600 * US_PER_S);
	CHECK("runs", w->n_done == 0 && ev_child_pid(c) > 0);
	ev_child_kill(c, SIGTERM);
	CHECK("gone, done comes later", w->n_done == 0 && ev_child_pid(c) == 0);
	(void)ev_sim_settle(w->loop);
	CHECK("killed", w->n_done == 1 && w->status.signal == SIGTERM);
	ev_child_forget(ev_child_start(w->loop, &spec, done_cb, w));
	ev_sim_child_set(w->loop, NULL, NULL);
	(void)ev_child_start(w->loop, &spec, done_cb, w);
	(void)ev_sim_advance(w->loop, US_PER_S);
	CHECK("without a script", w->n_done == 2 && w->status.err == -ENOENT);
	world_free(w);
}

static int host_cb(void *arg, const char *host, struct ip_addr ret[EV_RESOLVE_MAX])
{
	(void)arg;
	if (strcmp(host, "api.example") != 0)
		return -EAGAIN;
	ret[0] = ip_v4(1);
	ret[1] = ip_v4(2);
	return 2;
}

static void resolved_cb(void *arg, int err, const struct ip_addr *addrs, size_t n)
{
	struct world *w = arg;

	(void)addrs;
	note(w, err == 0 ? (char)('0' + n) : err == -EAGAIN ? 'A' : 'E');
}

static void test_resolve(void **state)
{
	struct world *w = world_new(1);

	(void)state;
	(void)ev_resolve_start(w->loop, "api.example", resolved_cb, w);
	CHECK("later", w->n == 0 && ev_sim_settle(w->loop) == 1);
	ev_sim_host_set(w->loop, host_cb, NULL);
	(void)ev_resolve_start(w->loop, "api.example", resolved_cb, w);
	(void)ev_sim_settle(w->loop);
	(void)ev_resolve_start(w->loop, "other.example", resolved_cb, w);
	(void)ev_sim_settle(w->loop);
	(void)ev_resolve_start(w->loop, "::1", resolved_cb, w);
	(void)ev_sim_settle(w->loop);
	ev_resolve_cancel(ev_resolve_start(w->loop, "::1", resolved_cb, w));
	(void)ev_sim_settle(w->loop);
	CHECK_STR("answers", w->log, "E2A1");
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_virtual_time),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_level),
		cmocka_unit_test(test_free_in_callback),
		cmocka_unit_test(test_task_turns),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_child),
		cmocka_unit_test(test_child_kill_and_forget),
		cmocka_unit_test(test_resolve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
