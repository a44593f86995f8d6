import { createVirtualClock } from '@purlin/base'
import test from 'ava'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import { createGuestAgent } from './guest-agent.ts'

const options = { deadlineMs: 5_000 }

/** A guest with one file, whose agent takes and gives at most `most` bytes at a time. */
function bench(file: Buffer, most = 1_000) {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  const asked: string[] = []
  const state = { file, at: 0 }
  fake.agent = ({ execute, arguments: given = {} }) => {
    asked.push(execute.replace('guest-', ''))
    switch (execute) {
      case 'guest-file-open':
        if (given.mode === 'w') state.file = Buffer.alloc(0)
        return 7
      case 'guest-file-read': {
        const chunk = state.file.subarray(state.at, state.at + Math.min(most, Number(given.count)))
        state.at += chunk.length
        const eof = state.at === state.file.length
        return { count: chunk.length, 'buf-b64': chunk.toString('base64'), eof }
      }
      case 'guest-file-write': {
        const chunk = Buffer.from(String(given['buf-b64']), 'base64').subarray(0, most)
        state.file = Buffer.concat([state.file, chunk])
        return { count: chunk.length }
      }
      default:
        return {}
    }
  }
  const agent = createGuestAgent({ libvirt: fake.port, clock: createVirtualClock() })
  return { agent, asked, state }
}

test('a file is read in pieces up to its end, and closed', async (t) => {
  const content = Buffer.from('0123456789'.repeat(250))
  const { agent, asked } = bench(content)
  const read = await agent.readFile('a', { path: '/etc/x', maxBytes: 2_500 }, options)
  t.true(read.complete)
  t.deepEqual(Buffer.from(read.content), content)
  t.deepEqual(asked, ['file-open', 'file-read', 'file-read', 'file-read', 'file-close'])
})

test('no more is read than was asked for, and that there is more is told', async (t) => {
  const { agent } = bench(Buffer.from('0123456789'), 4)
  const read = await agent.readFile('a', { path: '/etc/x', maxBytes: 9 }, options)
  t.deepEqual(
    { ...read, content: Buffer.from(read.content).toString() },
    {
      content: '012345678',
      complete: false,
    },
  )
})

test('a file is written in pieces, anew or to its end', async (t) => {
  const { agent, state, asked } = bench(Buffer.from('old'), 4)
  const write = (content: string, append: boolean) =>
    agent.writeFile('a', { path: '/x', content: Buffer.from(content), append }, options)
  await write('0123456789', false)
  t.is(state.file.toString(), '0123456789')
  await write('abc', true)
  t.is(state.file.toString(), '0123456789abc')
  t.is(asked.filter((one) => one === 'file-close').length, 2)
})

test('a file that is too large is not begun; one that finds no room is closed', async (t) => {
  const { agent, asked } = bench(Buffer.alloc(0), 0)
  const content = Buffer.alloc(8 * 2 ** 20 + 1)
  const large = agent.writeFile('a', { path: '/x', content, append: false }, options)
  await t.throwsAsync(large, { code: 'PUR_INVALID' })
  t.deepEqual(asked, [])
  const full = agent.writeFile(
    'a',
    { path: '/x', content: Buffer.from('a'), append: false },
    options,
  )
  await t.throwsAsync(full, { code: 'PUR_VIRT_FAILED', message: /disk is full/ })
  t.deepEqual(asked, ['file-open', 'file-write', 'file-close'])
})

test('the guest is frozen, thawed and told the time by commands of their own', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  const asked: unknown[] = []
  fake.agent = (command) => {
    asked.push(command)
    return 2
  }
  const clock = createVirtualClock()
  const agent = createGuestAgent({ libvirt: fake.port, clock })
  t.is(await agent.freeze('a', options), 2)
  t.is(await agent.thaw('a', options), 2)
  await agent.setTime('a', options)
  t.deepEqual(asked, [
    { execute: 'guest-fsfreeze-freeze' },
    { execute: 'guest-fsfreeze-thaw' },
    { execute: 'guest-set-time', arguments: { time: clock.nowMs() * 1_000_000 } },
  ])
})
