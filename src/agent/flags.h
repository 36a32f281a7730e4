/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The command line: one table with a row for each flag, the grammar of the Go kube-router's flag
 * library, usage text, and the checks of values that need no cluster.
 *
 * Pure: nothing is printed, nothing ends the process; main does both.
 */
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"

struct flag_uints {
	uint64_t *v;
	size_t n, cap;
};

struct flag_ips {
	struct ip_addr *v;
	size_t n, cap;
};

/* Durations are nanoseconds, as Go's. Texts are borrowed from argv or constant. */
struct options {
	bool advertise_cluster_ip, advertise_external_ip, advertise_loadbalancer_ip;
	bool advertise_pod_cidr, auto_mtu, bgp_graceful_restart, cleanup_config;
	bool disable_source_dest_check, enable_bfd, enable_cni, enable_ibgp, enable_ipv4,
		enable_ipv6;
	bool enable_overlay, enable_pod_egress, enable_pprof, hairpin_mode, help;
	bool ipvs_graceful_termination, ipvs_permit_all, loadbalancer_default_class, masquerade_all;
	bool netpol_default_deny, nodeport_bindon_all_ip, nodes_full_mesh, override_nexthop;
	bool run_firewall, run_loadbalancer, run_router, run_service_proxy;
	bool strict_external_ip_validation, use_nftables_for_netpol, version;
	uint32_t bfd_desired_min_tx_interval, bfd_detection_multiplier, bfd_port;
	uint32_t bfd_required_min_rx_interval, bgp_port;
	uint64_t cluster_asn;
	uint16_t gobgp_admin_port, health_port, metrics_port, overlay_encap_port;
	uint8_t peer_router_multihop_ttl;
	int64_t bgp_graceful_restart_deferral_time, bgp_graceful_restart_time, bgp_holdtime;
	int64_t cache_sync_timeout, injected_routes_sync_period, iptables_sync_period;
	int64_t ipvs_graceful_period, ipvs_sync_period, loadbalancer_sync_period,
		routes_sync_period;
	int64_t service_tcp_timeout, service_tcpfin_timeout, service_udp_timeout;
	const char *gobgp_admin_address, *health_addr, *hostname_override, *kubeconfig, *master;
	const char *metrics_addr, *metrics_path, *overlay_encap, *overlay_type;
	const char *peer_router_passwords_file, *router_id, *runtime_endpoint;
	const char *service_node_port_range, *verbosity_text;
	struct strv excluded_cidrs, loadbalancer_ip_range, peer_router_passwords;
	struct strv service_cluster_ip_range, service_external_ip_range;
	struct flag_ips peer_router_ips;
	struct flag_uints peer_router_asns, peer_router_ports;
	struct strv positional;
	int32_t verbosity; /* of verbosity_text, set by options_check_first() */
};

/*
 * Fills in defaults, then what argv says. 0, or -EINVAL with one line in *error (to free); the
 * caller prints the usage and the line, and ends with exit status 2. opt is to be given to
 * options_fini() in both cases.
 */
int flags_parse(int argc, char *const *argv, struct options *opt, char **error);
void options_fini(struct options *opt);

/* "Usage of ARGV0:" and a line for each flag, sorted. */
void flags_usage(struct strbuf *out, const char *argv0);

/*
 * What is judged before --help: verbosity, positional arguments. 0, or -EINVAL with one line in
 * *error (to free) for exit status 1.
 */
int options_check_first(struct options *opt, char **error);

/*
 * Values that no cluster is needed to judge; each error names the flag and quotes its value. 0, or
 * -EINVAL with one line in *error (to free).
 */
int options_check(const struct options *opt, char **error);

/* One line for each flag that was given, is known, and has no effect yet: fn(arg, "--name"). */
void options_without_effect(const struct options *opt, void (*fn)(void *arg, const char *flag),
			    void *arg);

/* Walks the table, by name: for the manual and its test. */
void flags_walk(void (*fn)(void *arg, const char *name, const char *type, const char *default_,
			   const char *help),
		void *arg);
