import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bmc, Console, ConsoleEvent } from '@purlin/bmc'
import test from 'ava'
import { ConsoleKeeper, printable } from './console-keeper.ts'

/** A BMC that counts its sessions. */
function bmcOf(text: string): { readonly bmc: Bmc; readonly open: () => number } {
  let open = 0
  const console = async (): Promise<Console> => {
    open += 1
    const close = async (): Promise<void> => {
      open -= 1
    }
    async function* read(): AsyncGenerator<ConsoleEvent> {
      yield { kind: 'began', atMs: 1 }
    }
    return { tail: () => Buffer.from(text), connected: true, read, close }
  }
  return { bmc: { console } as unknown as Bmc, open: () => open }
}

test('one session a chassis, however many hold it; it ends with the last', async (t) => {
  const keeper = new ConsoleKeeper('/nowhere', () => t.fail())
  const { bmc, open } = bmcOf('login: ')
  const life = {}
  await keeper.hold('c1', bmc, life)
  await keeper.hold('c1', bmc, life)
  t.is(open(), 1)
  t.is(keeper.tail('c1'), 'login: ')
  const read: ConsoleEvent[] = []
  const options = { tailBytes: 3, follow: true, nowMs: 9 }
  const { signal } = new AbortController()
  for await (const event of keeper.follow('c1', bmc, options, signal)) read.push(event)
  t.deepEqual(read, [
    { kind: 'output', atMs: 9, bytes: Buffer.from('n: ') },
    { kind: 'began', atMs: 1 },
  ])
  t.is(open(), 1)
  await keeper.release('c1', life)
  t.is(open(), 0)
  t.is(keeper.tail('c1'), '')
})

test('what was recorded is told after its session and its daemon are over, without a new session', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-consoles-'))
  t.teardown(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'c1.log.1'), 'GRUB\n')
  await writeFile(join(folder, 'c1.log'), 'kernel\n')
  const keeper = new ConsoleKeeper(folder, () => t.fail())
  const { bmc, open } = bmcOf('login: ')
  const said = async (tailBytes: number, follow: boolean): Promise<string> => {
    const texts: string[] = []
    const options = { tailBytes, follow, nowMs: 9 }
    for await (const event of keeper.follow('c1', bmc, options, new AbortController().signal)) {
      if (event.kind === 'output') texts.push(Buffer.from(event.bytes).toString())
    }
    return texts.join('')
  }
  t.is(await said(1_024, false), 'GRUB\nkernel\n')
  t.is(await said(9, false), 'B\nkernel\n')
  t.is(await said(0, false), '')
  t.is(open(), 0)
  t.is(await said(1_024, true), 'GRUB\nkernel\nlogin: ')
  await keeper.hold('c1', bmc, {})
  t.is(await said(1_024, false), 'GRUB\nkernel\nlogin: ')
  t.is(keeper.tail('c1'), 'login: ', 'what failed now is told by what is said now')
  await keeper.close()
})

test('a BMC without a console holds nothing up, and is told', async (t) => {
  const told: string[] = []
  const keeper = new ConsoleKeeper('/nowhere', (chassis) => told.push(chassis))
  const console = async (): Promise<never> => {
    throw new Error('its protocol has no console')
  }
  const bmc = { console } as unknown as Bmc
  t.is(await keeper.hold('c1', bmc, {}), undefined)
  t.is(keeper.tail('c1'), '')
  t.deepEqual(told, ['c1'])
  await keeper.close()
})

test('the tail is text: no signs that move a cursor, no others that a terminal obeys', (t) => {
  const raw = '\u001b[2J\u001b[1;31mPanic\u001b[0m\r\n\r\n\r\nrip: 0\u0007\u0000\u001b(B\tok\r'
  t.is(printable(Buffer.from(raw)), 'Panic\n\nrip: 0\tok\n')
})
