#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Real clients of /proc and /sys read a run's tree: free, vmstat (procps), numastat, numactl (numactl) in a mount namespace
# where the tree stands in place of the real one, and prometheus-node-exporter pointed at it. What they print must be
# what the run says. tests/clients.sh VMSIM; exit status 77: nothing could be tried.
set -uo pipefail
vmsim=$(readlink -f "${1:?usage: tests/clients.sh VMSIM}")
work=$(mktemp -d)
exporter=
trap '[ -z "$exporter" ] || kill "$exporter" 2>/dev/null; rm -rf "$work"' EXIT
tried=0 failed=0

cat >"$work/scenario.yaml" <<'YAML'
machine:
  cpus: 3
  nodes: [{cpus: [0, 1], memory: 1GiB}, {cpus: [2], memory: 512MiB}]
workload:
  files: [{name: /data/in, size: 4MiB}]
  tasks:
    - name: reader
      program:
        - mmap: {as: heap, length: 8MiB}
        - touch: {region: heap, write: 100%}
        - read: {file: /data/in, length: 4MiB}
    - name: other
      cpu: 2
      program:
        - mmap: {as: heap, length: 2MiB}
        - touch: {region: heap, write: 50%}
YAML
"$vmsim" run "$work/scenario.yaml" -q -o "$work/run" || exit 1
proc=$work/run/proc sys=$work/run/sys

of_meminfo() { awk -v key="$1:" '$1 == key { print $2 }' "$proc/meminfo"; }
of_vmstat() { awk -v key="$1" '$1 == key { print $2 }' "$proc/vmstat"; }

# same CLIENT WHAT SHOULD WAS
same() {
    tried=$((tried + 1))
    if [ "$3" = "$4" ]; then
        echo "ok      $1: $2 = $4"
    else
        echo "FAILED  $1: $2 is '$4', the run says '$3'"
        failed=$((failed + 1))
    fi
}

# inside COMMAND...: with the run's /proc and /sys.
flags=-rm
[ "$(id -u)" -ne 0 ] || flags=-m
inside() {
    unshare $flags sh -c 'mount --bind "$1" /sys && mount --bind "$2" /proc && shift 2 && exec "$@"' sh "$sys" "$proc" "$@" 2>/dev/null
}

with_procps() {
    local line
    read -r _ line < <(inside free --kibi | grep '^Mem:')
    # shellcheck disable=SC2086
    set -- $line
    same free MemTotal "$(of_meminfo MemTotal)" "${1-}"
    same free MemFree "$(of_meminfo MemFree)" "${3-}"
    same free MemAvailable "$(of_meminfo MemAvailable)" "${6-}"
    # shellcheck disable=SC2046
    set -- $(inside vmstat --unit K | tail -n 1)
    same vmstat free "$(of_meminfo MemFree)" "${4-}"
    same vmstat cache "$(of_meminfo Cached)" "${6-}"
    same "vmstat -d" "reads of vda" "$(awk '$3 == "vda" { print $4, $5, $6, $7 }' "$proc/diskstats")" \
        "$(inside vmstat -d | awk '$1 == "vda" { print $2, $3, $4, $5 }')"
    same vmstat "pages paged in" "$(of_vmstat pgpgin)" "$(inside vmstat -s | awk '/K paged in/ { print $1 }')"
}

with_numactl() {
    local node
    for node in 0 1; do
        same numastat "node $node numa_hit" "$(awk '/^numa_hit/ { print $2 }' "$sys/devices/system/node/node$node/numastat")" \
            "$(inside numastat | awk -v c=$((node + 2)) '/^numa_hit/ { print $c }')"
    done
    same numastat "node 0 MemFree (MB)" "$(awk '/MemFree/ { printf "%.2f", $4 / 1024 }' "$sys/devices/system/node/node0/meminfo")" \
        "$(inside numastat -m | awk '/^MemFree/ { print $2 }')"
    # the table of all nodes has the same figures, in MB and summed
    same numastat "-n: numa_hit of both (MB)" \
        "$(awk '/^numa_hit/ { sum += $2 } END { printf "%.2f", sum * 4096 / 1048576 }' "$sys"/devices/system/node/node?/numastat)" \
        "$(inside numastat -n | awk '/^Numa_Hit/ { print $NF }')"
    # a run that is interrupted leaves a task alive, whose pages lie where its numa_maps says
    cat >"$work/alive.yaml" <<'YAML'
machine: {cpus: 2, nodes: [{cpus: [0], memory: 256MiB}, {cpus: [1], memory: 256MiB}]}
workload:
  tasks:
    - name: alive
      program:
        - mmap: {as: heap, length: 8MiB}
        - mbind: {region: heap, policy: interleave, nodes: 0-1}
        - touch: {region: heap, write: 100%}
        - repeat: {times: 100000000, steps: [{touch: {region: heap}}]}
YAML
    timeout -s INT 0.5 "$vmsim" run "$work/alive.yaml" -q -o "$work/alive" 2>/dev/null
    local of_run=$proc
    proc=$work/alive/proc sys=$work/alive/sys
    for node in 0 1; do
        same numastat "-p 1: pages on node $node (MB)" \
            "$(tr ' ' '\n' <"$proc/1/numa_maps" | awk -F= -v n="N$node" '$1 == n { sum += $2 } END { printf "%.2f", sum * 4096 / 1048576 }')" \
            "$(inside numastat -p 1 | awk -v c=$((node + 2)) '/^Total/ { print $c }')"
    done
    proc=$of_run sys=$work/run/sys
    same numactl "node 1 size (MB)" "$(awk '/MemTotal/ { printf "%d", $4 / 1024 }' "$sys/devices/system/node/node1/meminfo")" \
        "$(inside numactl -H | sed -n 's/^node 1 size: \([0-9]*\) MB/\1/p')"
    same numactl "node 0 cpus" "0 1" "$(inside numactl -H | sed -n 's/^node 0 cpus: //p')"
    same numactl "distances" "10 20" "$(inside numactl -H | sed -n 's/^ *0: *//p' | tr -s ' ' | sed 's/ $//')"
}

with_exporter() {
    local address='' i
    prometheus-node-exporter --path.procfs="$proc" --path.sysfs="$sys" --web.listen-address=127.0.0.1:0 \
        --collector.disable-defaults --collector.meminfo --collector.meminfo_numa --collector.vmstat --collector.stat \
        --collector.loadavg --collector.buddyinfo --collector.cpu --collector.diskstats >"$work/exporter.log" 2>&1 &
    exporter=$!
    for ((i = 0; i < 100 && ${#address} == 0; i++)); do
        sleep 0.1
        address=$(sed -n 's/.*Listening on" address=\([^ ]*\).*/\1/p' "$work/exporter.log")
    done
    python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=20).read().decode())' \
        "http://$address/metrics" >"$work/metrics" || true
    metric() { awk -v key="$1" '$1 == key { printf "%.0f", $2 }' "$work/metrics"; }
    same node-exporter MemTotal $(($(of_meminfo MemTotal) * 1024)) "$(metric node_memory_MemTotal_bytes)"
    same node-exporter MemFree $(($(of_meminfo MemFree) * 1024)) "$(metric node_memory_MemFree_bytes)"
    same node-exporter pgfault "$(of_vmstat pgfault)" "$(metric node_vmstat_pgfault)"
    same node-exporter pgmajfault "$(of_vmstat pgmajfault)" "$(metric node_vmstat_pgmajfault)"
    same node-exporter "sectors read of vda" "$(awk '$3 == "vda" { print $6 * 512 }' "$proc/diskstats")" \
        "$(metric 'node_disk_read_bytes_total{device="vda"}')"
    for i in meminfo meminfo_numa vmstat stat loadavg buddyinfo cpu diskstats; do
        same node-exporter "collector $i" 1 "$(metric "node_scrape_collector_success{collector=\"$i\"}")"
    done
    kill "$exporter"
    wait "$exporter" 2>/dev/null
    exporter=
}

skip() { echo "skipped $1: $2"; }

if ! inside true; then
    skip "free, vmstat, numastat, numactl" "no mount namespace can be had here"
else
    if command -v free vmstat >/dev/null; then with_procps; else skip "free, vmstat" "procps is not installed"; fi
    if command -v numastat >/dev/null; then with_numactl; else skip numastat "numactl is not installed"; fi
fi
if command -v prometheus-node-exporter >/dev/null; then
    with_exporter
else
    skip node-exporter "prometheus-node-exporter is not installed"
fi
echo "$tried compared, $failed differ"
[ "$tried" -gt 0 ] || exit 77
[ "$failed" -eq 0 ]
