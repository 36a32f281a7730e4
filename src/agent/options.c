/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be said of the options without a cluster: ranges, words, lists that belong together.
 */
#include <errno.h>
#include <string.h>

#include "agent/flags_table.h"
#include "base/mem.h"
#include "base/time.h"

#define NS_PER_S ((int64_t)1000000000)

int options_check_first(struct options *opt, char **error)
{
	CLEANUP_STRBUF struct strbuf list = STRBUF_INIT;
	int64_t v;
	int r = str_to_i64(opt->verbosity_text, INT32_MIN, INT32_MAX, &v);

	if (r < 0) {
		*error = xasprintf("failed to set log level to \"%s\": strconv.ParseInt: parsing "
				   "\"%s\": %s",
				   opt->verbosity_text, opt->verbosity_text,
				   r == -ERANGE ? "value out of range" : "invalid syntax");
		return -EINVAL;
	}
	opt->verbosity = (int32_t)v;
	if (opt->positional.n == 0)
		return 0;
	for (size_t i = 0; i < opt->positional.n; i++)
		strbuf_fmt(&list, "%s%s", i ? " " : "", opt->positional.v[i]);
	*error = xasprintf("unrecognized positional argument(s): [%s]", strbuf_text(&list));
	return -EINVAL;
}

static int check_duration(const char *flag, int64_t ns, int64_t min, int64_t max, const char *range,
			  char **error)
{
	char text[DURATION_FMT_MAX];

	if (ns >= min && ns <= max)
		return 0;
	*error = xasprintf("--%s is %s, but must be %s", flag, duration_fmt(text, ns), range);
	return -EINVAL;
}

static int check_durations(const struct options *o, char **error)
{
	const struct {
		const char *flag;
		int64_t value, min, max;
		const char *range;
	} rows[] = {
		{ "routes-sync-period", o->routes_sync_period, 1, INT64_MAX, "greater than 0" },
		{ "injected-routes-sync-period", o->injected_routes_sync_period, 1, INT64_MAX,
		  "greater than 0" },
		{ "iptables-sync-period", o->iptables_sync_period, 1, INT64_MAX, "greater than 0" },
		{ "ipvs-sync-period", o->ipvs_sync_period, 1, INT64_MAX, "greater than 0" },
		{ "loadbalancer-sync-period", o->loadbalancer_sync_period, 1, INT64_MAX,
		  "greater than 0" },
		{ "bgp-holdtime", o->bgp_holdtime, 3 * NS_PER_S, 65535 * NS_PER_S,
		  "between 3s and 65535s" },
		{ "bgp-graceful-restart-time", o->bgp_graceful_restart_time, 1, 4095 * NS_PER_S,
		  "greater than 0 and at most 4095s" },
		{ "bgp-graceful-restart-deferral-time", o->bgp_graceful_restart_deferral_time, 1,
		  (int64_t)18 * 3600 * NS_PER_S, "greater than 0 and at most 18h" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = check_duration(rows[i].flag, rows[i].value, rows[i].min, rows[i].max,
				       rows[i].range, error);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Private ASNs of both lengths (RFC 6996), and the last one of two octets, as the reference has it.
 */
static bool is_cluster_asn(uint64_t asn)
{
	return asn == 0 || (asn >= 64512 && asn <= 65535) ||
	       (asn >= 4200000000u && asn <= 4294967294u);
}

static int check_words(const struct options *o, char **error)
{
	if (!str_eq(o->overlay_encap, "ipip") && !str_eq(o->overlay_encap, "fou")) {
		*error = xasprintf("--overlay-encap is \"%s\", but must be \"ipip\" or \"fou\"",
				   o->overlay_encap);
		return -EINVAL;
	}
	if (!str_eq(o->overlay_type, "subnet") && !str_eq(o->overlay_type, "full")) {
		*error = xasprintf("--overlay-type is \"%s\", but must be \"subnet\" or \"full\"",
				   o->overlay_type);
		return -EINVAL;
	}
	if (*o->metrics_path != '/') {
		*error = xasprintf("--metrics-path is \"%s\", but must start with /",
				   o->metrics_path);
		return -EINVAL;
	}
	return 0;
}

int options_check(const struct options *opt, char **error)
{
	int r = check_durations(opt, error);

	if (r == 0)
		r = check_words(opt, error);
	if (r < 0)
		return r;
	if (!is_cluster_asn(opt->cluster_asn)) {
		*error = xasprintf("invalid ASN number for cluster ASN: --cluster-asn is %llu, but "
				   "must be in 64512-65535 or 4200000000-4294967294",
				   (unsigned long long)opt->cluster_asn);
		return -EINVAL;
	}
	if (opt->bgp_port > UINT16_MAX) {
		*error = xasprintf("--bgp-port is %u, but must be at most 65535", opt->bgp_port);
		return -EINVAL;
	}
	if (opt->overlay_encap_port < 1024) {
		*error = xasprintf("--overlay-encap-port is %u, but must be in 1024-65535",
				   opt->overlay_encap_port);
		return -EINVAL;
	}
	return 0;
}

/* Differs from the default, whatever the way it was given. */
static bool is_set(const struct options *opt, const struct options *defaults, const struct flag *f)
{
	const char *a = (const char *)opt + f->offset, *b = (const char *)defaults + f->offset;

	switch (f->type) {
	case FLAG_BOOL:
		return *(const bool *)a != *(const bool *)b;
	case FLAG_STRING:
		return !str_eq(*(const char *const *)a, *(const char *const *)b);
	case FLAG_STRINGS: {
		const struct strv *x = (const struct strv *)a, *y = (const struct strv *)b;

		if (x->n != y->n)
			return true;
		for (size_t i = 0; i < x->n; i++) {
			if (!str_eq(x->v[i], y->v[i]))
				return true;
		}
		return false;
	}
	case FLAG_UINTS:
		return ((const struct flag_uints *)a)->n > 0;
	case FLAG_IPS:
		return ((const struct flag_ips *)a)->n > 0;
	case FLAG_UINT8:
		return *(const uint8_t *)a != *(const uint8_t *)b;
	case FLAG_UINT16:
		return *(const uint16_t *)a != *(const uint16_t *)b;
	case FLAG_UINT32:
		return *(const uint32_t *)a != *(const uint32_t *)b;
	case FLAG_UINT:
		return *(const uint64_t *)a != *(const uint64_t *)b;
	case FLAG_DURATION:
		return *(const int64_t *)a != *(const int64_t *)b;
	}
	return false;
}

void options_without_effect(const struct options *opt, void (*fn)(void *arg, const char *flag),
			    void *arg)
{
	char *const no_args[] = { NULL };
	struct options defaults;
	char *error = NULL;

	(void)flags_parse(0, no_args, &defaults, &error);
	for (size_t i = 0; i < flag_table_len; i++) {
		if (flag_table[i].without_effect && is_set(opt, &defaults, &flag_table[i]))
			fn(arg, flag_table[i].name);
	}
	options_fini(&defaults);
}
