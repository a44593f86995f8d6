import test from 'ava'
import { machineArguments } from './machine.ts'
import type { ChassisOptions } from './options.ts'

const options: ChassisOptions = {
  ...{ folder: '/c', name: 'c1', ipmiPort: 623, bmcAddress: '127.0.0.1', username: 'admin' },
  ...{ password: 'secret', nics: [{ tap: 't0', mac: '52:54:00:88:00:07' }], firmware: 'bios' },
  ...{ disks: [{ sizeGiB: 4, serial: 'd1' }], loader: 'ipxe', memoryMiB: 768, serial: 'SN' },
  uuid: '6b1d9f70-2b1c-4b5e-8a57-0123456789ab',
}

function orderOf(words: readonly string[]): readonly string[] {
  return words
    .flatMap((word) => {
      const order = /^([a-z]+)-.*bootindex=(\d+)/.exec(word)
      return order === null ? [] : [{ word, order: Number(order[2]) }]
    })
    .toSorted((one, other) => one.order - other.order)
    .map(({ word }) => (word.includes('net') ? 'card' : 'disk'))
}

test('the boot device decides what the firmware tries first, and leaves the other behind it', (t) => {
  t.deepEqual(orderOf(machineArguments(options, 9_000, true)), ['card', 'disk'])
  t.deepEqual(orderOf(machineArguments(options, 9_000, false)), ['disk', 'card'])
})

test('one processor thread, and the same UUID and serial number as the BMC', (t) => {
  const words = machineArguments(options, 9_000, true).join(' ')
  t.regex(words, /tcg,thread=single/)
  t.regex(words, /-smp 1 /)
  t.regex(words, /serial=SN,uuid=6b1d9f70-/)
})

test('a disk with a WWN or a medium is a SCSI disk that tells both', (t) => {
  const disks = [{ sizeGiB: 4, serial: 'd1', wwn: '0x5000c500a1b2c3d4', media: 'hdd' }] as const
  const words = machineArguments({ ...options, disks }, 9_000, true).join(' ')
  t.regex(words, /scsi-hd,bus=scsi.0,serial=d1,rotation_rate=7200,wwn=0x5000c500a1b2c3d4/)
})

test('the clock is this host’s, or that of a board whose battery is empty', (t) => {
  t.notRegex(machineArguments(options, 9_000, true).join(' '), /-rtc/)
  const clock = '2001-01-01T00:00:00'
  t.regex(
    machineArguments({ ...options, clock }, 9_000, true).join(' '),
    /-rtc base=2001-01-01T00:00:00/,
  )
})

test('a serial number that a virtio disk cannot tell is a SCSI disk’s, and no sign of it ends an option', (t) => {
  const disks = [{ sizeGiB: 4, serial: 'PHLJ9130,06M1P0FGN-of-24-or-more' }]
  const words = machineArguments({ ...options, disks, serial: 'A,B' }, 9_000, true).join(' ')
  t.regex(words, /scsi-hd,bus=scsi\.0,serial=PHLJ9130,,06M1P0FGN-of-24-or-more,/)
  t.regex(words, /serial=A,,B,uuid=/)
})

test('UEFI has variables of its own, and asks the network itself where told', (t) => {
  const uefi = { ...options, firmware: 'uefi', loader: 'firmware' } as const
  const words = machineArguments(uefi, 9_000, true).join(' ')
  t.regex(words, /file=\/c\/variables\.fd/)
  t.regex(words, /romfile=,/)
})
