import { PurlinError } from '@purlin/base'
import { finding } from '@purlin/schema'
import test from 'ava'
import { type HostReader, systemHostReader } from '../host-reader.ts'
import { examineHost } from './examine.ts'

/** A Debian 12 host, 2026-11, of which only what the checks read is kept. */
const files: Readonly<Record<string, string>> = {
  '/proc/cpuinfo': 'processor\t: 0\nflags\t\t: fpu vme vmx sse2\n',
  '/proc/cmdline': 'BOOT_IMAGE=/vmlinuz-6.1.0-49-amd64 ro quiet\n',
  '/proc/sys/kernel/osrelease': '6.1.0-49-amd64\n',
  '/lib/modules/6.1.0-49-amd64/modules.dep':
    'kernel/net/bridge/bridge.ko: kernel/net/802/stp.ko\nkernel/net/bridge/br_netfilter.ko: kernel/net/bridge/bridge.ko\nkernel/drivers/net/tun.ko:\nkernel/drivers/net/veth.ko:\nkernel/net/netfilter/nf_tables.ko:\nkernel/net/netfilter/nf_conntrack.ko:\nkernel/net/openvswitch/openvswitch.ko:\n',
  '/proc/self/status': 'Name:\tnode\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n',
  '/etc/os-release': 'ID=debian\nVERSION_ID="12"\n',
}
const folders: Readonly<Record<string, readonly string[]>> = {
  '/dev': ['kvm', 'null'],
  '/sys/class/iommu': ['dmar0'],
  '/sys/class/net': ['lo', 'eth0'],
  '/run/systemd/timesync': ['synchronized'],
}
const host: HostReader = {
  architecture: 'x64',
  run: async () => ({ stdout: '{"nftables": []}', stderr: '', exitCode: 0 }),
  readFile: async (path) => files[path],
  listFolder: async (path) => folders[path],
  findProgram: async (name) => `/usr/sbin/${name}`,
  diskRoom: async () => ({ freeBytes: 2 ** 32, totalBytes: 2 ** 34 }),
}

test('a fit host has nothing but ok, and every check speaks', async (t) => {
  const findings = await examineHost({
    ...host,
    kvmVerdict: { works: true, found: 'a machine started' },
    lanes: [],
    taken: [],
    stateFolder: '/var/lib/purlin',
  })
  t.deepEqual(
    findings.map(({ check, status }) => `${check} ${status}`),
    [
      'privileges ok',
      'programs ok',
      'virtualization ok',
      'iommu ok',
      'kernel-modules ok',
      'io_uring ok',
      'clock ok',
      'other-firewalls ok',
      'taken-names ok',
      'disk-space ok',
      'stuck-calls ok',
    ],
  )
})

test('checks of what the caller does not name are left out', async (t) => {
  const checks = (await examineHost(host)).map(({ check }) => check)
  for (const check of ['taken-names', 'disk-space', 'stuck-calls']) t.false(checks.includes(check))
})

test('a check that fails or hangs is unknown, and the others are made', async (t) => {
  const findings = await examineHost({
    ...host,
    run: async (program) => {
      throw new PurlinError('PUR_EXEC_NOT_FOUND', { message: `${program}: not found` })
    },
    readFile: async (path) => {
      if (path === '/proc/cmdline') throw new Error('EIO')
      return files[path]
    },
    diskRoom: () => new Promise(() => {}),
    stateFolder: '/mnt/hung',
    checkDeadlineMs: 50,
  })
  const of = (check: string) => findings.find((one) => one.check === check)
  t.is(of('iommu')?.found, 'could not be checked: EIO')
  t.is(of('other-firewalls')?.found, 'could not be checked: /usr/sbin/nft: not found')
  t.is(of('disk-space')?.found, 'could not be checked: disk-space: no answer within 50 ms')
  for (const check of ['iommu', 'other-firewalls', 'disk-space']) t.is(of(check)?.status, 'unknown')
  t.is(of('kernel-modules')?.status, 'ok')
})

test('a host of which nothing can be read gives findings and no exception', async (t) => {
  const findings = await examineHost({
    ...host,
    readFile: async () => undefined,
    listFolder: async () => undefined,
    findProgram: async () => undefined,
  })
  t.is(findings.filter(({ status }) => status === 'ok').length, 1)
  t.is(findings.filter(({ check }) => check === 'programs').length, 7)
})

test('the host at hand is read, and every finding fits the schema', async (t) => {
  const findings = await examineHost({ ...systemHostReader, stateFolder: '/tmp' })
  t.true(findings.length >= 9)
  for (const one of findings) t.deepEqual(finding.parse(one), one)
  t.is(await systemHostReader.readFile('/none'), undefined)
  t.is(await systemHostReader.listFolder('/none'), undefined)
  t.is(await systemHostReader.findProgram('no-such-program'), undefined)
  t.regex((await systemHostReader.findProgram('sh')) ?? '', /\/sh$/)
})
