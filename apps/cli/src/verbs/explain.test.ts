import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { operations } from '@purlin/schema'
import test from 'ava'
import { fixedAgent } from '../../tests/agent.ts'
import { run } from '../../tests/run.ts'

const EXAMPLE = fileURLToPath(new URL('../../../../examples/three-tier.yaml', import.meta.url))
/** Nobody listens there: no agent is asked. */
const environment = { PURLIN_SOCKET: '/nonexistent/agent.sock' }
const offline = ['explain', 'packet', '-f', EXAMPLE]

test('by a manifest alone: both ends, the deciding rule and what would let the packet pass', async (t) => {
  const line = '--from web-1 --to db-1 --proto tcp --port 3306'
  const { exitCode, stdout, stderr } = await run([...offline, ...line.split(' ')], { environment })
  t.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' })
  t.snapshot(stdout)
})

test('the command of the smallest change inserts the rule that was told', async (t) => {
  const line = '--from 10.77.0.201 --to web-1 --proto tcp --port 22'
  const { stdout } = await run([...offline, ...line.split(' ')], { environment })
  const command = /^ +purlin (sg rule insert .*)$/m.exec(stdout)?.[1] ?? ''
  await using agent = await fixedAgent({})
  await run(['--socket', agent.socketPath, ...command.split(' ')])
  const body = JSON.parse(agent.seen[0]?.body ?? '{}')
  const explained = await run([...offline, ...line.split(' '), '-o', 'json'], { environment })
  const [change] =
    operations.explainPacket.answer.parse(JSON.parse(explained.stdout)).smallestChange ?? []
  t.is(agent.seen[0]?.path, `/v1/security-groups/${change?.group}/rules`)
  const checked = operations.addRules.body.parse(body)
  t.deepEqual([checked.priority, checked.rules[0]], [change?.priority, change?.rule])
})

test('a batch is answered line by line, with no agent; a bad line gets its number', async (t) => {
  const questions = [
    { from: 'web-1', to: 'app-1/eth0', protocol: 'tcp', destinationPort: 8080 },
    { from: '10.77.0.201', to: 'web-1', protocol: 'tcp', destinationPort: 22 },
    { from: 'web-1', to: 'web-2', protocol: 'udp', destinationPort: 5000 },
    { from: 'web-1', to: 'db-1', protocol: 'tcp', destinationPort: 3306 },
    { from: 'db-1', to: '192.0.2.1', protocol: 'tcp', destinationPort: 443 },
    { from: 'fd77::ff', to: 'web-1', protocol: 'icmp', icmpType: 128, icmpCode: 0 },
    { from: 'app-1', to: 'web-1', protocol: 'tcp', sourcePort: 8080, state: 'established' },
  ].map((question) => JSON.stringify(question))
  const stdin = `${questions.slice(0, 2).join('\n')}\nnonsense\n\n${questions.slice(2).join('\n')}\n{"from":"nobody","to":"web-1","protocol":"tcp"}\n`
  const args = [...offline, '--packets', '-', '-o', 'json']
  const { exitCode, stdout, stderr } = await run(args, { environment, stdin })
  t.is(exitCode, 4)
  t.is(stderr, '-: 2 of 10 lines could not be answered\n')
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const web = { nic: 'web-1/eth0', direction: 'inbound' }
  t.deepEqual(answers[0], {
    verdict: 'allow',
    decidedBy: { type: 'rule', group: 'app', priority: 0, nic: 'app-1/eth0', direction: 'inbound' },
  })
  t.deepEqual(answers[1], {
    verdict: 'deny',
    decidedBy: { type: 'rule', group: 'ops', priority: 0, ...web },
  })
  t.like(answers[2], { line: 3, code: 'PUR_INVALID' })
  t.deepEqual(answers[3], {
    verdict: 'allow',
    decidedBy: { type: 'members', group: 'web', nic: 'web-2/eth0', direction: 'inbound' },
  })
  t.deepEqual(answers[4], {
    verdict: 'deny',
    decidedBy: { type: 'default', nic: 'db-1/eth0', direction: 'inbound' },
  })
  t.deepEqual(answers[5], {
    verdict: 'allow',
    decidedBy: { type: 'default', nic: 'db-1/eth0', direction: 'outbound' },
  })
  t.deepEqual(answers[6], { verdict: 'deny', decidedBy: { type: 'default', ...web } })
  t.deepEqual(answers[7], { verdict: 'allow', decidedBy: { type: 'established', ...web } })
  t.regex(answers[8].message, /^line 10: from: "nobody" is no address and no known NIC/)
})

test('a batch without a fault ends with 0, and -o table is a line of text each', async (t) => {
  const stdin = '{"from":"web-1","to":"app-1","protocol":"tcp","destinationPort":8080}'
  const { exitCode, stdout } = await run([...offline, '--packets', '-'], { environment, stdin })
  t.is(exitCode, 0)
  t.is(stdout, 'allow app-1/eth0 inbound rule app 0\n')
})

test('packets come from a file; one that is not there, and no manifest, are said', async (t) => {
  await using agent = await fixedAgent({})
  const file = join(agent.folder, 'packets.jsonl')
  await writeFile(file, '{"from":"web-1","to":"app-1","protocol":"udp"}\n')
  const args = ['--packets', file, '-o', 'json']
  t.is((await run([...offline, ...args], { environment })).exitCode, 0)
  const without = await run(['explain', 'packet', ...args], { environment })
  t.deepEqual([without.exitCode, without.stderr], [2, 'purlin: --packets goes with -f MANIFEST\n'])
  const missing = await run([...offline, '--packets', `${file}.no`], { environment })
  t.is(missing.exitCode, 1)
  t.regex(missing.stderr, /packets\.jsonl\.no: cannot be read/)
})

const decidedBy = { type: 'rule', group: 'web', priority: 0 } as const
const explained = {
  verdict: 'allow',
  decidedBy,
  sentence: 'a -> b: allow',
  ends: [{ nic: 'b/eth0', direction: 'inbound', verdict: 'allow', decidedBy, walk: [] }],
} as const
const question = ['explain', 'packet', '--from', 'a', '--to', 'b', '--proto', 'icmp', '--live']
const rule = { table: 'inet purlin', chain: 'list-1', rule: 'web/inbound/0' }

for (const [outcome, live] of [
  ['agrees', { traced: true, verdict: 'allow', decidedBy: rule, agrees: true, trace: [] }],
  [
    'disagrees',
    {
      traced: true,
      verdict: 'deny',
      decidedBy: { ...rule, rule: 'by hand' },
      agrees: false,
      trace: [{ ...rule, rule: 'by hand', verdict: 'drop' }],
    },
  ],
  ['untraced', { traced: false, reason: 'its machine does not run', trace: [] }],
] as const) {
  test(`--live: what the kernel did stands beside the answer: ${outcome}`, async (t) => {
    const untraced = live.traced ? [] : [{ end: 'b/eth0 inbound', reason: live.reason }]
    const ends = explained.ends.map((end) => ({ ...end, live }))
    const answer = operations.explainPacketLive.answer.parse({
      ...explained,
      ends,
      live: { outcome, untraced },
    })
    await using agent = await fixedAgent({ 'POST /v1/explain/packet/live': [200, answer] })
    const { exitCode, stdout } = await run(['--socket', agent.socketPath, ...question])
    t.is(exitCode, outcome === 'agrees' ? 0 : 1)
    t.snapshot(stdout)
  })
}

test('--live with a manifest is refused: nobody could be asked', async (t) => {
  const { exitCode, stderr } = await run([...question, '-f', EXAMPLE], { environment })
  t.is(exitCode, 2)
  t.regex(stderr, /--live asks the kernel/)
})
