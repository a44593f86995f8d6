import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError, type Run, systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { mappedVolumes } from './mapped-volumes.ts'

const PROGRAM = '/blockd'

/** A kernel of two NBD devices in a folder, and a program that connects them. */
async function host(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), 'map-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [devicesFolder, nodesFolder] = [join(folder, 'sys'), join(folder, 'dev')]
  for (const name of ['nbd0', 'nbd1', 'sda']) {
    await mkdir(join(devicesFolder, name, 'holders'), { recursive: true })
  }
  const socket = join(folder, 'vol-a.sock')
  await writeFile(socket, '')
  const calls: string[] = []
  const connected = (name: string): string => join(devicesFolder, name, 'pid')
  const run: Run = async (program, args) => {
    calls.push([program, ...args].join(' ').replaceAll(folder, ''))
    const answer = { stdout: '', stderr: '', exitCode: 0 }
    if (program !== PROGRAM) return answer
    if (args[0] === 'unmap') {
      await rm(connected((args[2] ?? '').slice(nodesFolder.length + 1)))
      return answer
    }
    const free = ['nbd0', 'nbd1'].find((name) => !existsSync(connected(name)))
    if (free === undefined) throw new PurlinError('PUR_EXEC_FAILED', { message: 'none is free' })
    await writeFile(connected(free), '77')
    return { ...answer, stdout: `${free}\n` }
  }
  const options = { run, clock: systemClock, file: join(folder, 'mapped.json'), program: PROGRAM }
  const open = () => mappedVolumes({ ...options, devicesFolder, nodesFolder })
  return { open, calls, socket, devicesFolder, nodesFolder }
}

test('a volume is mapped on a free device, once, and again after a boot', async (t) => {
  const { open, calls, socket, devicesFolder, nodesFolder } = await host(t)
  await writeFile(join(devicesFolder, 'nbd0', 'pid'), '5')
  const device = join(nodesFolder, 'purlin', 'vol-a')
  t.deepEqual(await open().map('vol-a', socket), { volume: 'vol-a', socket, device })
  t.is(await readlink(device), join(nodesFolder, 'nbd1'))
  const map = '/blockd map --socket /vol-a.sock --export vol-a'
  t.deepEqual(calls.splice(0), ['modprobe nbd', map])
  await open().map('vol-a', socket)
  t.deepEqual(calls, [], 'it is mapped already')

  // After a boot the devices are free and the links of devtmpfs are gone.
  await rm(join(devicesFolder, 'nbd1', 'pid'))
  await rm(join(devicesFolder, 'nbd0', 'pid'))
  await rm(device)
  t.deepEqual(await open().restore(), [{ volume: 'vol-a' }])
  t.is(await readlink(device), join(nodesFolder, 'nbd0'))
})

test('a device that somebody holds is not taken away; a free one goes with its link and its note', async (t) => {
  const { open, socket, devicesFolder, nodesFolder } = await host(t)
  await open().map('vol-a', socket)
  const holder = join(devicesFolder, 'nbd0', 'holders', 'dm-3')
  await writeFile(holder, '')
  const refused = await t.throwsAsync(open().unmap('vol-a'), { instanceOf: PurlinError })
  t.is(refused.message, 'mapping vol-a: nbd0 is held by dm-3; take that away first')
  t.is((await open().list()).length, 1)
  await rm(holder)
  await open().unmap('vol-a')
  t.deepEqual(await open().list(), [])
  await t.throwsAsync(readlink(join(nodesFolder, 'purlin', 'vol-a')))
  t.deepEqual(await open().restore(), [])
})

test('what the kernel refuses, and a kernel without the module, say what to do', async (t) => {
  const { open, socket, devicesFolder, nodesFolder } = await host(t)
  for (const name of ['nbd0', 'nbd1']) await writeFile(join(devicesFolder, name, 'pid'), '5')
  const none = await t.throwsAsync(open().map('vol-a', socket))
  t.regex(none?.message ?? '', /mapping vol-a: none is free/)
  t.deepEqual(await open().list(), [])
  const run: Run = async () => {
    throw new PurlinError('PUR_EXEC_FAILED', { message: 'modprobe nbd: not found' })
  }
  const file = join(nodesFolder, 'f')
  const bare = { run, clock: systemClock, file, program: PROGRAM, devicesFolder, nodesFolder }
  const lacking = await t.throwsAsync(mappedVolumes(bare).map('vol-a', socket))
  t.like(lacking, { code: 'PUR_BLOCK_MAP' })
  t.regex(lacking?.message ?? '', /the kernel needs its module nbd/)
})
