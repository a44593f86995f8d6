import { mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PurlinError, systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { deviceFacts } from './device-facts.ts'
import { checkByWitness, keepProof, refuseUnproven, writeUnderWitness } from './prove.ts'
import { leastSequences, RECORD_BYTES, recordBytes, sequenceOf, slotsOf } from './records.ts'
import { startWitness } from './witness.ts'

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'purlin-flush-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

/** A sysfs of one disk; files as a Debian 12 host with such a device has them. */
async function sysfs(t: ExecutionContext, disk: string, files: Record<string, string>) {
  const root = await folder(t)
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, 'devices', disk, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, `${text}\n`)
  }
  await mkdir(join(root, 'dev/block'), { recursive: true })
  await symlink(join(root, 'devices', disk), join(root, 'dev/block/259:0'))
  await mkdir(join(root, 'devices', disk, `${disk}p1`), { recursive: true })
  await symlink(join(root, 'devices', disk, `${disk}p1`), join(root, 'dev/block/259:1'))
  return root
}

const CONSUMER = {
  'queue/write_cache': 'write back',
  'queue/fua': '1',
  'queue/rotational': '0',
  'device/model': 'Samsung SSD 990 PRO 2TB',
  wwid: 'eui.002538b1314002ba',
}

for (const [what, disk, files, expected] of [
  [
    'an NVMe device with a volatile cache',
    'nvme0n1',
    CONSUMER,
    ['volatile', true, 'flushes-needed', 'eui.002538b1314002ba'],
  ],
  [
    'an NVMe device with capacitors, which says it has no volatile cache',
    'nvme1n1',
    { ...CONSUMER, 'queue/write_cache': 'write through', wwid: 'nvme.8086-5048' },
    ['none', true, 'none-needed', 'nvme.8086-5048'],
  ],
  [
    'a SATA disk whose queue was told otherwise than the disk says',
    'sda',
    {
      'queue/write_cache': 'write through',
      'queue/fua': '0',
      'queue/rotational': '1',
      'device/model': 'ST4000NM0035-1V4',
      'device/scsi_disk/0:0:0:0/cache_type': 'write back, no read (daft)',
      'device/wwid': 'naa.5000c500a1b2c3d4',
    },
    ['volatile', false, 'flushes-needed', 'naa.5000c500a1b2c3d4'],
  ],
  [
    'a device that says nothing',
    'vdb',
    { 'queue/rotational': '1' },
    ['unknown', false, 'unknown', 'vdb'],
  ],
] as const) {
  test(`facts of ${what}, and of a partition of it`, async (t) => {
    const root = await sysfs(t, disk, files)
    for (const number of ['259:0', '259:1']) {
      const facts = await deviceFacts('/dev/x', root, number)
      const { writeCache, forcedUnitAccess, powerLoss, identity } = facts
      t.deepEqual([writeCache, forcedUnitAccess, powerLoss, identity], expected)
      t.is(facts.disk, disk)
    }
  })
}

test('a path that is no device of the kernel is an error', async (t) => {
  const root = await sysfs(t, 'sda', CONSUMER)
  const error = await t.throwsAsync(deviceFacts('/dev/x', root, '7:7'))
  t.is((error as PurlinError).code, 'PUR_CACHE_INVALID')
  t.is(
    ((await t.throwsAsync(deviceFacts('/nowhere/at/all'))) as PurlinError).code,
    'PUR_CACHE_INVALID',
  )
})

test('a record is known in its own place, session and whole, and nowhere else', (t) => {
  const session = Buffer.alloc(16, 7)
  const bytes = recordBytes(session, 300, 5)
  t.is(sequenceOf(bytes, session, 5), 300)
  t.is(sequenceOf(bytes, session, 6), 0)
  t.is(sequenceOf(bytes, Buffer.alloc(16, 8), 5), 0)
  bytes[2000] = (bytes[2000] ?? 0) ^ 1
  t.is(sequenceOf(bytes, session, 5), 0)
})

test('each slot must have the last batch that was acknowledged there', (t) => {
  const least = leastSequences(50, 100)
  for (const [slot, sequence] of least) {
    t.true(slotsOf(sequence, 100).includes(slot))
    for (let later = sequence + 1; later <= 50; later += 1) {
      t.false(slotsOf(later, 100).includes(slot))
    }
  }
})

test('what the witness heard is on the device, one lost record is found, and only a restart proves', async (t) => {
  const path = await folder(t)
  const device = join(path, 'device.img')
  await writeFile(device, Buffer.alloc(64 * RECORD_BYTES))
  const witness = await startWitness('127.0.0.1', 0, join(path, 'heard'))
  t.teardown(() => witness.close())
  const cancel = new AbortController()
  const run = {
    device,
    witness: `127.0.0.1:${witness.port}`,
    clock: systemClock,
    signal: cancel.signal,
  }
  const batches = await writeUnderWitness({ ...run, boot: 'first' }, 0.2)
  t.true(batches > 0)
  t.deepEqual(await checkByWitness({ ...run, boot: 'first' }), {
    batches,
    lost: 0,
    powerWasCut: false,
  })
  t.deepEqual(await checkByWitness({ ...run, boot: 'second' }), {
    batches,
    lost: 0,
    powerWasCut: true,
  })
  const [slot = 0] = slotsOf(batches, 64)
  const file = await open(device, 'r+')
  await file.write(Buffer.alloc(512), 0, 512, slot * RECORD_BYTES + 1024)
  await file.close()
  t.is((await checkByWitness({ ...run, boot: 'second' })).lost, 1)
  // A witness that was started anew remembers.
  const again = await startWitness('127.0.0.1', 0, join(path, 'heard'))
  t.teardown(() => again.close())
  const later = { ...run, witness: `127.0.0.1:${again.port}`, boot: 'second' }
  t.is((await checkByWitness(later)).batches, batches)
})

test('a witness that is not there is one error', async (t) => {
  const { signal } = new AbortController()
  const run = { device: '/dev/null', witness: '127.0.0.1:1', clock: systemClock, signal }
  t.is(((await t.throwsAsync(checkByWitness(run))) as PurlinError).code, 'PUR_CACHE_WITNESS')
})

test('writeback is refused on a device until a proof of it is kept', async (t) => {
  const path = await folder(t)
  const device = join(path, 'ssd.img')
  await writeFile(device, '')
  const facts = await deviceFacts(device).catch((error: PurlinError) => error)
  if (facts instanceof PurlinError) {
    // A folder of a file system without a disk, as tmpfs, is one of which nothing is known.
    t.is(facts.code, 'PUR_CACHE_INVALID')
    return
  }
  const error = await t.throwsAsync(refuseUnproven([device], path), { message: /--force/ })
  t.is((error as PurlinError).code, 'PUR_CACHE_UNPROVEN')
  await keepProof(path, facts, 9, systemClock)
  await t.notThrowsAsync(refuseUnproven([device], path))
})
