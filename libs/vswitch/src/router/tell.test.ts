import type { Run } from '@purlin/base'
import test from 'ava'
import type { ExecuteContext } from '../execute/context.ts'
import type { Setting } from './settings.ts'
import { stillTold, tellNamespace } from './tell.ts'

const setting = (family: 'ipv4' | 'ipv6', name: string, device = 'eth0'): Setting => ({
  family,
  apply: `neigh replace ${name} dev ${device}`,
  undo: `neigh del ${name} dev ${device}`,
})

test('only what is new is applied, then what is gone is undone, each family by itself', async (t) => {
  const told: string[] = []
  const run: Run = async (_program, args, { input = '' }) => {
    told.push(`${args.slice(2, -2).join(' ')}: ${input.trim()}`)
    return { stdout: '', stderr: '', exitCode: 0 }
  }
  const context = { run, signal: new AbortController().signal } as unknown as ExecuteContext
  const before = [setting('ipv4', 'a'), setting('ipv4', 'b'), setting('ipv6', 'c')]
  const wanted = [setting('ipv4', 'a'), setting('ipv6', 'c'), setting('ipv6', 'd')]
  await tellNamespace(context, 'route', 7, before, wanted)
  t.deepEqual(told, [
    'ip -family inet6: neigh replace d dev eth0',
    'ip -force -family inet: neigh del b dev eth0',
  ])
  told.length = 0
  await tellNamespace(context, 'route', 7, wanted, wanted)
  t.deepEqual(told, [])
})

test('a setting that changes is replaced, and not undone after', async (t) => {
  const told: string[] = []
  const run: Run = async (_program, _args, { input = '' }) => {
    told.push(input.trim())
    return { stdout: '', stderr: '', exitCode: 0 }
  }
  const context = { run, signal: new AbortController().signal } as unknown as ExecuteContext
  const neighbour = (mac: string): Setting => ({
    family: 'ipv4',
    apply: `neigh replace 10.1.0.5 lladdr ${mac} dev eth0`,
    undo: 'neigh del 10.1.0.5 dev eth0',
  })
  await tellNamespace(context, 'route', 7, [neighbour('02:00')], [neighbour('02:01')])
  t.deepEqual(told, ['neigh replace 10.1.0.5 lladdr 02:01 dev eth0'])
})

test('another namespace has been told nothing, and a device that was made anew nothing either', (t) => {
  const settings = [setting('ipv4', 'a', 'eth0'), setting('ipv4', 'b', 'leg-1')]
  const told = { stamp: '7 100 x', settings }
  t.deepEqual(stillTold(told, '7 100 x', []), settings)
  t.deepEqual(stillTold(told, '8 100 x', []), [])
  t.deepEqual(stillTold(told, '7 100 x', ['leg-1']), settings.slice(0, 1))
  t.deepEqual(stillTold(undefined, '7 100 x', []), [])
})
