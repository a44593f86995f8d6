import type { LaneHealth } from '@purlin/schema'
import test from 'ava'
import { judgeClock } from './clock.ts'
import { judgeDiskSpace } from './disk-space.ts'
import { judgeIoUring } from './io-uring.ts'
import { judgeIommu } from './iommu.ts'
import { judgeKernelModules, type KernelEvidence, presenceOf } from './kernel-modules.ts'
import { baseChainsOf, judgeOtherFirewalls } from './other-firewalls.ts'
import { judgePrivileges } from './privileges.ts'
import { familyOf, judgePrograms } from './programs.ts'
import { judgeStuckCalls } from './stuck-calls.ts'
import { judgeTakenNames } from './taken-names.ts'
import { judgeVirtualization } from './virtualization.ts'

test('virtualization: only a real start proves KVM', (t) => {
  // Seen on a cloud host, 2026-11: /dev/kvm opens, libvirt offers kvm, and QEMU aborts at once.
  const device = { cpuFlags: [], device: true, verdict: undefined }
  t.is(judgeVirtualization(device).status, 'unknown')
  const verdict = { works: false, found: 'QEMU aborted: failed to set MSR 0x10a' }
  const failed = judgeVirtualization({ ...device, verdict })
  t.is(failed.status, 'notice')
  t.regex(failed.found, /failed to set MSR 0x10a.*emulation/)
  const works = { works: true, found: 'a machine started in 0.4 s' }
  t.is(judgeVirtualization({ ...device, verdict: works }).status, 'ok')
})

test('virtualization: flags without a device ask for the module, else the firmware', (t) => {
  const none = { device: false, verdict: undefined }
  t.regex(judgeVirtualization({ ...none, cpuFlags: ['vmx'] }).advice ?? '', /kvm_intel/)
  t.regex(judgeVirtualization({ ...none, cpuFlags: [] }).advice ?? '', /^Switch virtualization on/)
})

test('iommu: units in use are well, none is a notice that names the command line', (t) => {
  t.is(judgeIommu({ units: ['dmar0', 'dmar1'], commandLine: 'quiet' }).status, 'ok')
  const off = judgeIommu({ units: [], commandLine: 'quiet intel_iommu=off ro' })
  t.is(off.status, 'notice')
  t.regex(off.found, /intel_iommu=off/)
})

test('kernel modules: each kind of evidence is enough, and none is an honest unknown', (t) => {
  const nothing: KernelEvidence = {
    active: [],
    builtIn: undefined,
    loadable: undefined,
    configuration: undefined,
  }
  const of = (evidence: Partial<KernelEvidence>) =>
    presenceOf('br_netfilter', 'BRIDGE_NETFILTER', { ...nothing, ...evidence })
  t.is(of({}), 'unknown')
  t.is(of({ active: ['br_netfilter'] }), 'active')
  t.is(of({ builtIn: 'kernel/net/bridge/br_netfilter.ko\n' }), 'builtIn')
  t.is(
    of({ loadable: 'kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\n' }),
    'loadable',
  )
  t.is(of({ loadable: 'kernel/net/x/xbr_netfilter.ko:\n' }), 'absent')
  t.is(of({ configuration: 'CONFIG_BRIDGE_NETFILTER=y\n' }), 'builtIn')
  t.is(of({ configuration: '# CONFIG_BRIDGE_NETFILTER is not set\n' }), 'absent')
  t.is(of({ configuration: 'CONFIG_BRIDGE_NETFILTER=m\n' }), 'absent')
  t.is(
    of({ configuration: 'CONFIG_BRIDGE_NETFILTER=m\n', loadable: 'kernel/br-netfilter.ko:\n' }),
    'loadable',
  )
})

test('kernel modules: what is lacking is a problem, but openvswitch alone a notice', (t) => {
  const all = {
    bridge: 'active',
    br_netfilter: 'loadable',
    tun: 'builtIn',
    veth: 'builtIn',
    nf_tables: 'active',
    nf_conntrack: 'active',
    openvswitch: 'active',
  } as const
  const judge = (changes: object) =>
    judgeKernelModules({ release: '6.1.0', presence: { ...all, ...changes } })
  t.deepEqual(
    judge({}).map(({ status }) => status),
    ['ok'],
  )
  const [lacking] = judge({ tun: 'absent', veth: 'absent' })
  t.is(lacking?.status, 'problem')
  t.regex(lacking?.advice ?? '', /modprobe tun veth$/)
  t.deepEqual(
    judge({ openvswitch: 'absent' }).map(({ status }) => status),
    ['ok', 'notice'],
  )
  t.deepEqual(
    judge({ bridge: 'unknown' }).map(({ status }) => status),
    ['unknown'],
  )
})

test('io_uring: off for all and too old a kernel are notices', (t) => {
  const status = (release: string, disabled?: string) => judgeIoUring({ release, disabled }).status
  t.is(status('6.1.0-49-amd64'), 'ok')
  t.is(status('6.18.44', '0'), 'ok')
  t.is(status('6.18.44', '1'), 'ok')
  t.is(status('6.18.44', '2'), 'notice')
  t.is(status('5.10.0-8-amd64'), 'notice')
  t.is(status('5.11.0'), 'ok')
  t.is(status('10.0.1'), 'ok')
  t.is(status('odd'), 'unknown')
})

test('clock: timesyncd’s file or chrony’s report decide, and silence is unknown', (t) => {
  // `chronyc -c tracking` of chrony 4.3, 2026-11-21, with a server in reach and with none.
  const inStep =
    '7F000001,127.0.0.1,9,1795262778.687847529,-0.000000808,-0.000000261,0.000000261,-0.053,-0.005,5.628,0.000004868,0.000058211,2.0,Normal\n'
  const apart =
    '00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n'
  t.is(judgeClock({ timesync: 'synchronized', chrony: undefined }).status, 'ok')
  t.is(judgeClock({ timesync: 'running', chrony: undefined }).status, 'notice')
  const ok = judgeClock({ timesync: 'absent', chrony: inStep })
  t.is(ok.status, 'ok')
  t.regex(ok.found, /0\.001 ms off/)
  t.is(judgeClock({ timesync: 'absent', chrony: apart }).status, 'notice')
  t.is(judgeClock({ timesync: 'absent', chrony: 'odd' }).status, 'unknown')
  t.is(judgeClock({ timesync: 'absent', chrony: undefined }).status, 'unknown')
})

test('other firewalls: nft’s JSON gives the base chains that are not Purlin’s', (t) => {
  // `nft -j list chains` of nft 1.0.6, 2026-11-21.
  const json = JSON.stringify({
    nftables: [
      { metainfo: { version: '1.0.6', json_schema_version: 1 } },
      {
        chain: {
          family: 'ip',
          table: 'filter',
          name: 'FORWARD',
          handle: 1,
          type: 'filter',
          hook: 'forward',
          prio: 0,
          policy: 'drop',
        },
      },
      { chain: { family: 'ip', table: 'filter', name: 'DOCKER', handle: 2 } },
      {
        chain: {
          family: 'inet',
          table: 'purlin',
          name: 'forward',
          handle: 1,
          type: 'filter',
          hook: 'forward',
          prio: 0,
          policy: 'drop',
        },
      },
    ],
  })
  const forward = {
    family: 'ip',
    table: 'filter',
    name: 'FORWARD',
    hook: 'forward',
    policy: 'drop',
  }
  t.deepEqual(baseChainsOf(json), [forward])
  t.throws(() => baseChainsOf(''), { message: /see which program nft is/ })
  const none = { baseChains: [], links: [], legacyTables: [] }
  t.is(judgeOtherFirewalls(none)[0]?.status, 'ok')
  const docker = judgeOtherFirewalls({ ...none, baseChains: [forward], links: ['docker0'] })
  t.deepEqual(
    docker.map(({ status }) => status),
    ['problem', 'notice'],
  )
  t.regex(docker[0]?.found ?? '', /ip filter FORWARD/)
  const input = { ...forward, name: 'INPUT', hook: 'input' }
  t.is(judgeOtherFirewalls({ ...none, baseChains: [input] })[0]?.status, 'notice')
  const accepting = { ...forward, policy: 'accept' }
  t.is(judgeOtherFirewalls({ ...none, baseChains: [accepting] })[0]?.status, 'ok')
  t.regex(judgeOtherFirewalls({ ...none, legacyTables: ['filter'] })[0]?.found ?? '', /legacy/)
})

test('taken names: each is a problem of its own', (t) => {
  t.is(judgeTakenNames([])[0]?.status, 'ok')
  const found = judgeTakenNames([
    { what: 'bridge', name: 'prod' },
    { what: 'domain', name: 'web-1' },
  ])
  t.deepEqual(
    found.map((one) => `${one.status} ${one.found}`),
    [
      'problem bridge prod exists and is not Purlin’s',
      'problem domain web-1 exists and is not Purlin’s',
    ],
  )
})

test('programs: the package that carries a missing one is named for the family at hand', (t) => {
  t.is(familyOf('ID=debian\n'), 'deb')
  t.is(familyOf('ID=linuxmint\nID_LIKE="ubuntu debian"\n'), 'deb')
  t.is(familyOf('ID="rocky"\nID_LIKE="rhel centos fedora"\n'), 'rpm')
  t.is(familyOf('ID=plan9\n'), 'unknown')
  const ip = { name: 'ip', purpose: 'links', deb: 'iproute2', rpm: 'iproute' }
  t.is(judgePrograms({ missing: [ip], family: 'deb' })[0]?.advice, 'apt-get install iproute2')
  t.is(judgePrograms({ missing: [ip], family: 'rpm' })[0]?.advice, 'dnf install iproute')
  t.regex(judgePrograms({ missing: [ip], family: 'unknown' })[0]?.advice ?? '', /iproute2.*iproute/)
  t.is(judgePrograms({ missing: [], family: 'deb' })[0]?.status, 'ok')
})

test('privileges: capabilities decide, not the name of the user', (t) => {
  t.is(judgePrivileges({ userId: 0, effective: 0x1fffeffffffn }).status, 'ok')
  t.is(
    judgePrivileges({ userId: 1000, effective: (1n << 12n) | (1n << 13n) | (1n << 21n) }).status,
    'ok',
  )
  const confined = judgePrivileges({ userId: 0, effective: 0xa80425fbn })
  t.is(confined.status, 'problem')
  t.regex(confined.found, /^root without CAP_NET_ADMIN, CAP_SYS_ADMIN$/)
  t.regex(judgePrivileges({ userId: 1000, effective: 0n }).advice ?? '', /sudo/)
  t.is(judgePrivileges({ userId: 0, effective: undefined }).status, 'unknown')
})

test('disk space: 512 MiB is enough, less than 64 a problem', (t) => {
  const status = (freeMiB: number) =>
    judgeDiskSpace({ folder: '/f', freeBytes: freeMiB * 1024 ** 2, totalBytes: 2 ** 40 }).status
  t.is(status(512), 'ok')
  t.is(status(511), 'notice')
  t.is(status(64), 'notice')
  t.is(status(63), 'problem')
})

test('stuck calls: a hung lane is named with its call’s age, a failed one with its error', (t) => {
  const lanes: LaneHealth[] = [
    { lane: 'netfilter', state: 'working', doing: 'observe', ageMs: 3 },
    { lane: 'virt', state: 'stuck', doing: 'start web-1', ageMs: 12_345 },
    { lane: 'vswitch', state: 'failed', lastError: 'PUR_OVS_UNREACHABLE: no answer' },
  ]
  t.deepEqual(
    judgeStuckCalls(lanes).map(({ found }) => found),
    ['virt: "start web-1" has not returned for 12.3 s', 'vswitch: PUR_OVS_UNREACHABLE: no answer'],
  )
  t.is(judgeStuckCalls([])[0]?.status, 'ok')
})
