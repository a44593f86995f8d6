import test from 'ava'
import { deploymentTemplateSpec } from './deployment-template.ts'

const users = [{ name: 'ops', sshKeys: ['./ops.pub'] }]
const root = { grow: true, filesystem: 'ext4', mount: '/' }
const disk = { match: { smallest: true }, partitions: [root] }
const good = { users, disks: [disk] }

function problemsOf(spec: unknown): readonly string[] {
  const { error } = deploymentTemplateSpec.safeParse(spec)
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
}

const refuses = test.macro({
  exec(t, spec: unknown, problems: readonly string[]) {
    t.deepEqual(problemsOf(spec), problems)
  },
  title: (title = '') => `a template is refused, with its path: ${title}`,
})

test('a template with one disk is filled with defaults', (t) => {
  const { locale, keyboard, timezone, network, scripts, monitoring } =
    deploymentTemplateSpec.parse(good)
  t.deepEqual(
    { locale, keyboard, timezone, monitoring },
    {
      locale: 'en_US.UTF-8',
      keyboard: 'us',
      timezone: 'Etc/UTC',
      monitoring: true,
    },
  )
  t.deepEqual(scripts, { before: [], after: [] })
  t.deepEqual([network.bonds, network.vlans, network.routes], [[], [], []])
})

test('a disk rule that says nothing', refuses, { users, disks: [{ ...disk, match: {} }] }, [
  'disks.0.match: must name a serial, a WWN, a medium or a size rule',
])
test(
  'two sizes, two uses, two that grow',
  refuses,
  {
    users,
    disks: [
      {
        ...disk,
        partitions: [
          root,
          { grow: true, filesystem: 'swap' },
          { sizeMiB: 1, grow: true, filesystem: 'xfs', lvm: 'sys' },
        ],
      },
    ],
  },
  [
    'disks.0.partitions.2: must have exactly one of filesystem, lvm and raid, has 2',
    'disks.0.partitions.2: must have exactly one of sizeMiB and grow: true',
    'disks.0.partitions.1.grow: only one of its kind can grow here',
    'disks.0.partitions.2.grow: only one of its kind can grow here',
    'disks.0.partitions.2.lvm: there is no group sys under lvm',
  ],
)
test(
  'no root, a mirror of one, a group on nothing',
  refuses,
  {
    users,
    disks: [{ ...disk, partitions: [{ grow: true, raid: 'md0' }] }],
    raid: [{ name: 'md0', level: 1, filesystem: 'ext4', mount: '/srv' }],
    lvm: [{ group: 'sys', volumes: [{ name: 'v', grow: true, filesystem: 'swap' }] }],
  },
  [
    'raid.0: RAID 1 needs 2 partitions with raid: md0, found 1',
    'lvm.0: no partition or array has lvm: sys',
    'disks: nothing is mounted at /; give one file system mount: /',
  ],
)
test(
  'mounts that escape, repeat or suit no firmware',
  refuses,
  {
    users,
    disks: [
      {
        ...disk,
        partitions: [
          root,
          { sizeMiB: 9, filesystem: 'xfs', mount: '/' },
          { sizeMiB: 9, filesystem: 'ext4', mount: '/boot/efi' },
        ],
      },
    ],
  },
  [
    'disks.0.partitions.1.mount: / is mounted already',
    'disks.0.partitions.2.filesystem: vfat is for /boot/efi, and /boot/efi is vfat',
  ],
)
test(
  'a root user, twice the same',
  refuses,
  {
    ...good,
    users: [...users, { name: 'root' }],
  },
  ['users.1.name: must not be root: root stays locked; use sudo'],
)
test(
  'interfaces that are not there or used twice',
  refuses,
  {
    ...good,
    network: {
      nics: [{ name: 'lan0', mac: '52:54:00:00:00:01' }],
      bonds: [
        {
          name: 'bond0',
          mode: 'active-backup',
          lacpRate: 'fast',
          members: [{ mac: '52:54:00:00:00:01' }],
        },
      ],
      vlans: [{ parent: 'bond1', id: 5 }],
      addresses: [
        { interface: 'bond0', cidr: '10.0.0.5/24', gateway: '10.0.1.1' },
        { interface: 'eth0', dhcp: true, cidr: '10.0.0.6/24' },
      ],
      routes: [{ interface: 'lan0', to: '10.1.0.0/16', via: 'fd00::1' }],
    },
  },
  [
    'network.bonds.0.members.0.mac: 52:54:00:00:00:01 is used already; a NIC has one use',
    'network.bonds.0.lacpRate: active-backup speaks no LACP',
    'network.vlans.0.parent: there is no NIC or bond named bond1',
    'network.addresses.0.gateway: 10.0.1.1 is not on the network of 10.0.0.5/24',
    'network.addresses.1.interface: there is no NIC, bond or VLAN named eth0',
    'network.addresses.1: must have exactly one of cidr and dhcp: true',
    'network.routes.0.via: fd00::1 is not of the family of 10.1.0.0/16',
  ],
)

test('texts that could leave their line, their path or their word are refused', (t) => {
  const paths = (spec: object): readonly string[] =>
    problemsOf({ ...good, ...spec }).map((problem) => problem.split(':')[0] ?? '')
  t.deepEqual(paths({ locale: 'en_US\nreboot' }), ['locale'])
  t.deepEqual(paths({ timezone: '../etc; reboot' }), ['timezone'])
  t.deepEqual(paths({ keyboard: "us' " }), ['keyboard'])
  t.deepEqual(paths({ proxy: 'http://a/$(reboot)' }), ['proxy'])
  t.deepEqual(paths({ packages: ['--root=/'] }), ['packages.0'])
  t.deepEqual(paths({ scripts: { after: ['a\u0000'] } }), ['scripts.after.0'])
  const up = { ...root, mount: '/srv/../etc' }
  t.true(paths({ disks: [{ ...disk, partitions: [up] }] }).includes('disks.0.partitions.0.mount'))
})
