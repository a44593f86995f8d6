import { run } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { mirroredSpec, requestOf, serverSpec } from '../tests/samples.ts'
import { renderAnswer } from './answer/render.ts'
import { type InstallerTarget, installerTargets } from './answer/target.ts'
import type { InstallInputs } from './inputs.ts'

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...`'"\\$\`;|&<>\n\r\t#% ./@-a`) }),
  fc.constantFrom('x\n%end\nreboot', "'; reboot; '", '</source>', '$(reboot)', '../../etc/shadow'),
)
const request = requestOf('rhel-9', serverSpec, 'uefi')

function linesWith(inputs: InstallInputs, target: InstallerTarget): number | undefined {
  const rendered = renderAnswer({ ...request, inputs, target })
  return rendered.ok ? rendered.value.answer.content.split('\n').length : undefined
}

test('no value of an input adds a line to any answer: it is refused or it stays in its place', (t) => {
  const fields = ['hostname', 'bootMac', 'nodeUrl', 'mediaUrl'] as const
  for (const target of installerTargets) {
    const expected = linesWith(request.inputs, target)
    t.not(expected, undefined)
    fc.assert(
      fc.property(hostile, fc.constantFrom(...fields), (value, field) => {
        const found = linesWith({ ...request.inputs, [field]: value }, target)
        return found === undefined || found === expected
      }),
      { numRuns: 50 },
    )
    fc.assert(
      fc.property(hostile, hostile, (comment, hash) => {
        const [user] = request.inputs.users
        const key = `${user?.sshKeys[0]?.split(' ').slice(0, 2).join(' ')} ${comment}`
        const users = [{ name: 'ops', sudo: true, sshKeys: [key], passwordHash: `$6$${hash}` }]
        const found = linesWith({ ...request.inputs, users }, target)
        return found === undefined || found === expected
      }),
      { numRuns: 50 },
    )
  }
})

test('a key’s comment is written to authorized_keys as it is, whatever a shell would make of it', async (t) => {
  const [user] = request.inputs.users
  const key = `${user?.sshKeys[0]?.split(' ').slice(0, 2).join(' ')}`
  const comments = [`a'b"c`, '$(reboot)', '`id`', 'x\\', 'PURLIN_END', '%end', '# x', '</source>']
  const users = [{ name: 'ops', sudo: true, sshKeys: comments.map((text) => `${key} ${text}`) }]
  const rendered = renderAnswer({ ...request, inputs: { ...request.inputs, users } })
  const script = rendered.ok ? (rendered.value.files[0]?.content ?? '') : ''
  const start = script.indexOf('cat > "$home/.ssh/authorized_keys"')
  const part = script.slice(start, script.indexOf('chmod 0700 "$home/.ssh"'))
  const program = `home=$(mktemp -d); mkdir "$home/.ssh"\n${part}cat "$home/.ssh/authorized_keys"; rm -r "$home"`
  const { stdout } = await run('sh', [], { input: program, timeoutMs: 60_000 })
  t.is(stdout, comments.map((text) => `${key} ${text}\n`).join(''))
})

test('a template’s scripts are files of their own, unchanged, and part of no answer', (t) => {
  const mirrored = requestOf('sles-15', mirroredSpec, 'uefi')
  const script = '#!/bin/sh\n%end\n]]></source>\n'
  const scripts = { before: [script], after: [script] }
  const rendered = renderAnswer({ ...mirrored, inputs: { ...mirrored.inputs, scripts } })
  const files = rendered.ok ? rendered.value.files : []
  t.deepEqual(
    files.slice(1).map(({ name, content, secret }) => [name, content, secret]),
    [
      ['before-0.sh', script, true],
      ['after-0.sh', script, true],
    ],
  )
  t.false(JSON.stringify(rendered.ok && rendered.value.answer).includes('%end'))
})
