import { fileURLToPath } from 'node:url'
import test from 'ava'
import { run } from '../../tests/run.ts'

const EXAMPLE = fileURLToPath(new URL('../../../../examples/three-tier.yaml', import.meta.url))
/** Nobody listens there: these verbs ask no agent. */
const environment = { PURLIN_SOCKET: '/nonexistent/agent.sock' }

test('sg compile prints a rule set for nft, with provenance, without an agent', async (t) => {
  const { exitCode, stdout, stderr } = await run(['sg', 'compile', '-f', EXAMPLE], { environment })
  t.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' })
  t.regex(stdout, /^add table bridge purlin$/m)
  t.regex(stdout, /ops\/inbound\/0/)
})

test('sg compile --target ovs prints flows by port names, each cookie with its origin', async (t) => {
  const line = ['sg', 'compile', EXAMPLE, '--target', 'ovs']
  const { exitCode, stdout, stderr } = await run(line, { environment })
  t.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' })
  t.regex(stdout, /^# 0x70[0-9a-f]{14} ops\/inbound\/0$/m)
  t.regex(stdout, /in_port=ptap-[0-9a-f]{8},dl_src=52:54:00/)
  t.regex(stdout, /ct\(commit,zone=reg6\[0\.\.15\]\)/)
})

test('sg compile of a manifest that names what it does not hold is refused with its line', async (t) => {
  const stdin = 'kind: PortGroup\nname: prod\nspec: { switch: dvs9 }\n'
  const { exitCode, stdout, stderr } = await run(['sg', 'compile', '-f', '-'], {
    environment,
    stdin,
  })
  t.is(stdout, '')
  t.is(exitCode, 4)
  t.regex(stderr, /stdin:3:.*no DistributedSwitch named dvs9/)
})

test('sg compile --target ovs asks which switch where there are several', async (t) => {
  const of = (name: string): string => `kind: DistributedSwitch\nname: ${name}\nspec: {}\n`
  const options = { environment, stdin: `${of('dvs0')}---\n${of('dvs1')}` }
  const asked = await run(['sg', 'compile', '-f', '-', '--target', 'ovs'], options)
  t.regex(asked.stderr, /the manifest has: dvs0, dvs1; name one by --switch/)
  const told = await run(['sg', 'compile', '-', '--target', 'ovs', '--switch', 'dvs1'], options)
  t.is(told.exitCode, 0)
})
