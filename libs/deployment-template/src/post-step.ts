import type { SpecOf } from '@purlin/schema'
import { eventUrl, fileUrl, type InstallInputs, type UserInput } from './inputs.ts'
import { networkManagerFiles } from './network/keyfiles.ts'
import { linksOf, type SystemFile } from './network/links.ts'
import { networkdFiles } from './network/networkd.ts'
import { hereDocument, quoteShell } from './quote/shell.ts'

/** Who configures the network in the installed system. */
export type NetworkBackend = 'networkd' | 'network-manager'

/** The one script that ends every installation, on every family and on the image path, as root in
 *  the new system: network, users, host name, the template's own scripts, and the first report. It
 *  may run twice. Shape: a POSIX shell script; the new system has curl. Pure. */
export function postStep(
  spec: SpecOf<'DeploymentTemplate'>,
  inputs: InstallInputs,
  backend: NetworkBackend,
): string {
  const links = linksOf(spec.network, inputs.bootMac)
  const network = backend === 'networkd' ? networkdFiles(links) : networkManagerFiles(links)
  const parts = [
    HEAD,
    failureTrap(inputs),
    told(inputs, 'configuring'),
    '# Network: what the installer wrote for itself goes, ours stands by MAC address.',
    backend === 'networkd' ? NETWORKD : NETWORK_MANAGER,
    ...network.map(writeFile),
    ...resolverOf(spec, backend),
    '# Host name',
    hereDocument('/etc/hostname', inputs.hostname),
    hereDocument('/etc/hosts', hostsText(inputs.hostname)),
    ...(spec.proxy === undefined ? [] : proxyPart(spec.proxy)),
    '# Users: hashes and keys only; root stays locked.',
    ...inputs.users.map(userPart),
    ...(spec.monitoring ? ['# Monitoring', runFetched(inputs, 'agent.sh')] : []),
    ...inputs.scripts.after.map((_, index) => runFetched(inputs, `after-${index}.sh`)),
    firstReport(inputs),
    'trap - EXIT',
    told(inputs, 'installed'),
  ]
  return `${parts.join('\n')}\n`
}

const HEAD = `#!/bin/sh
# Written by Purlin; the last step of an installation.
set -eu
umask 022
# A server that is started again meanwhile must not miss a step.
tell() { curl -gfsS -m 10 --retry 5 --retry-connrefused -X POST "$1" >/dev/null 2>&1 || true; }`

const NETWORKD = `rm -f /etc/netplan/*.yaml /etc/systemd/network/*-purlin-*
mkdir -p /etc/systemd/network
if [ -d /etc/cloud ]; then
  mkdir -p /etc/cloud/cloud.cfg.d
  echo 'network: {config: disabled}' > /etc/cloud/cloud.cfg.d/99-purlin-network.cfg
fi
if [ -f /etc/network/interfaces ]; then
  printf 'auto lo\\niface lo inet loopback\\n' > /etc/network/interfaces
fi
systemctl enable systemd-networkd.service`

const NETWORK_MANAGER = `rm -f /etc/NetworkManager/system-connections/*
mkdir -p /etc/NetworkManager/system-connections
rm -f /etc/sysconfig/network-scripts/ifcfg-[!l]* /etc/sysconfig/network/ifcfg-[!l]*
systemctl disable wicked.service 2>/dev/null || true
systemctl enable NetworkManager.service`

function failureTrap(inputs: InstallInputs): string {
  return `trap 'tell "${eventUrl(inputs, 'failed')}"' EXIT`
}

function told(inputs: InstallInputs, step: string): string {
  return `tell ${quoteShell(eventUrl(inputs, step))}`
}

function writeFile({ path, mode, content }: SystemFile): string {
  const target = quoteShell(path)
  return `${hereDocument(target, content)}\nchmod ${mode} ${target}`
}

/** Without systemd-resolved nobody writes resolv.conf beside networkd. */
function resolverOf(
  { network }: SpecOf<'DeploymentTemplate'>,
  backend: NetworkBackend,
): readonly string[] {
  if (backend === 'network-manager' || network.dns.length === 0) return []
  const text = [
    ...(network.searchDomains.length > 0 ? [`search ${network.searchDomains.join(' ')}`] : []),
    ...network.dns.map((server) => `nameserver ${server}`),
  ].join('\n')
  return ['if [ ! -L /etc/resolv.conf ]; then', hereDocument('/etc/resolv.conf', text), 'fi']
}

function hostsText(hostname: string): string {
  const short = hostname.split('.')[0] ?? hostname
  const names = short === hostname ? hostname : `${hostname} ${short}`
  return [
    '127.0.0.1 localhost',
    `127.0.1.1 ${names}`,
    '::1 localhost ip6-localhost ip6-loopback',
    'ff02::1 ip6-allnodes',
    'ff02::2 ip6-allrouters',
  ].join('\n')
}

function proxyPart(proxy: string): readonly string[] {
  const lines = ['http_proxy', 'https_proxy'].map((name) => `export ${name}=${quoteShell(proxy)}`)
  return [
    '# Proxy',
    hereDocument('/etc/profile.d/purlin-proxy.sh', lines.join('\n')),
    'if [ -d /etc/apt/apt.conf.d ]; then',
    hereDocument('/etc/apt/apt.conf.d/90purlin-proxy', `Acquire::http::Proxy "${proxy}";`),
    'fi',
  ]
}

function userPart({ name, passwordHash, sshKeys, sudo }: UserInput): string {
  const user = quoteShell(name)
  const rule = passwordHash === undefined ? 'NOPASSWD: ALL' : 'ALL'
  const sudoers = `/etc/sudoers.d/purlin-${name}`
  return [
    `id -u ${user} >/dev/null 2>&1 || useradd -m -s /bin/bash ${user}`,
    // printf is the shell's own, so the hash is in no process list.
    ...(passwordHash === undefined
      ? []
      : [`printf '%s\\n' ${quoteShell(`${name}:${passwordHash}`)} | chpasswd -e`]),
    ...(sshKeys.length === 0 ? [] : [keysPart(user, sshKeys)]),
    ...(sudo
      ? [
          'mkdir -p /etc/sudoers.d',
          hereDocument(sudoers, `${name} ALL=(ALL:ALL) ${rule}`),
          `chmod 0440 ${sudoers}`,
        ]
      : []),
  ].join('\n')
}

function keysPart(user: string, sshKeys: readonly string[]): string {
  return [
    `home=$(getent passwd ${user} | cut -d: -f6)`,
    'mkdir -p "$home/.ssh"',
    hereDocument('"$home/.ssh/authorized_keys"', sshKeys.join('\n')),
    'chmod 0700 "$home/.ssh"',
    'chmod 0600 "$home/.ssh/authorized_keys"',
    `chown -R ${user}: "$home/.ssh"`,
    'if command -v restorecon >/dev/null 2>&1; then restorecon -R "$home/.ssh"; fi',
  ].join('\n')
}

/** The template's scripts are files of the node's own, never text inside another file. */
function runFetched(inputs: InstallInputs, name: string): string {
  const local = quoteShell(`/run/purlin-${name}`)
  const fetch = `curl -gfsS -m 120 -o ${local} ${quoteShell(fileUrl(inputs, name))}`
  return `mkdir -p /run\n${fetch}\nsh ${local}\nrm -f ${local}`
}

/** Tells once, at the first start from disk, and takes itself and its token away after that. */
function firstReport(inputs: InstallInputs): string {
  const script = `#!/bin/sh
# Tells the deployment server that this system has started from its own disk.
for attempt in $(seq 120); do
  if curl -gfsS -m 5 -X POST ${quoteShell(eventUrl(inputs, 'running'))}; then
    systemctl disable purlin-first-report.service
    rm -f /etc/systemd/system/purlin-first-report.service /usr/local/sbin/purlin-first-report
    exit 0
  fi
  sleep 1
done
exit 1`
  const unit = `[Unit]
Description=Tell the deployment server that this system runs
Wants=network-online.target
After=network.target
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/purlin-first-report
[Install]
WantedBy=multi-user.target`
  return [
    '# First report',
    'mkdir -p /usr/local/sbin',
    hereDocument('/usr/local/sbin/purlin-first-report', script),
    'chmod 0700 /usr/local/sbin/purlin-first-report',
    hereDocument('/etc/systemd/system/purlin-first-report.service', unit),
    'systemctl enable purlin-first-report.service',
  ].join('\n')
}
