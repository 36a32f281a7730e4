/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both variants and both families at once, all tables (which makes no table: legacy lists the
 * registered ones, nft the existing ones); then the version of the chosen one. A program that does
 * not exist is a child that cannot be started.
 */
#include "kernel/iptables_detect.h"

#include "base/ip.h"
#include "base/mem.h"
#include "ev/ev.h"

#define DETECT_TIMEOUT_US (10 * US_PER_S)
#define N_PROBES          4

struct probe {
	struct ipt_detect *detect;
	struct ev_child *child;
	enum ipt_variant variant;
	uint8_t family;
};

struct ipt_detect {
	struct ev_loop *loop;
	ipt_detect_fn *done;
	void *arg;
	struct probe probes[N_PROBES];
	unsigned n_open;
	struct ev_child *version;
	uint8_t version_family;
	struct ipt_detected result;
};

static struct ev_child *start(struct ipt_detect *d, const char *program, const char *option,
			      ev_child_fn *fn, void *arg)
{
	const char *const argv[] = { program, option, NULL };
	const struct ev_child_spec spec = {
		.name = "iptables-detect",
		.argv = argv,
		.timeout_us = DETECT_TIMEOUT_US,
	};

	return ev_child_start(d->loop, &spec, fn, arg);
}

static void on_version(void *arg, const struct ev_child_status *status);

static void version_start(struct ipt_detect *d)
{
	char program[IPT_PROGRAM_MAX];

	d->version = start(d, ipt_program(program, d->result.variant, d->version_family, ""),
			   "--version", on_version, d);
}

static void finish(struct ipt_detect *d)
{
	struct ipt_detected result = d->result;
	ipt_detect_fn *done = d->done;
	void *arg = d->arg;

	free(d);
	done(arg, &result);
}

/* Only ip6tables may be installed. */
static void on_version(void *arg, const struct ev_child_status *status)
{
	struct ipt_detect *d = arg;

	d->version = NULL;
	if (status->err < 0 && d->version_family == IP_V4) {
		d->version_family = IP_V6;
		version_start(d);
		return;
	}
	d->result.has_version = status->err == 0 && status->exit_code == 0 &&
				ipt_version_parse(status->out, &d->result.version) == 0;
	finish(d);
}

static void on_probe(void *arg, const struct ev_child_status *status)
{
	struct probe *p = arg;
	struct ipt_detect *d = p->detect;

	p->child = NULL;
	if (status->err == 0 && status->exit_code == 0)
		ipt_usage_add(&d->result.usage[p->variant], p->family, status->out,
			      status->out_len);
	if (--d->n_open > 0)
		return;
	d->result.variant =
		ipt_variant_choose(&d->result.usage[IPT_VARIANT_NFT],
				   &d->result.usage[IPT_VARIANT_LEGACY], &d->result.why);
	version_start(d);
}

struct ipt_detect *ipt_detect_start(struct ev_loop *loop, ipt_detect_fn *done, void *arg)
{
	struct ipt_detect *d = xcalloc(1, sizeof(*d));

	d->loop = loop;
	d->done = done;
	d->arg = arg;
	d->version_family = IP_V4;
	d->n_open = N_PROBES;
	for (unsigned i = 0; i < N_PROBES; i++) {
		struct probe *p = &d->probes[i];
		char program[IPT_PROGRAM_MAX];

		p->detect = d;
		p->variant = i & 1 ? IPT_VARIANT_LEGACY : IPT_VARIANT_NFT;
		p->family = i & 2 ? IP_V6 : IP_V4;
		p->child = start(d, ipt_program(program, p->variant, p->family, "-save"), NULL,
				 on_probe, p);
	}
	return d;
}

void ipt_detect_cancel(struct ipt_detect *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < N_PROBES; i++) {
		if (d->probes[i].child)
			ev_child_forget(d->probes[i].child);
	}
	if (d->version)
		ev_child_forget(d->version);
	free(d);
}
