import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { answersOf, inFolder, samples } from '../../tests/answers.ts'
import { HASH, requestOf, serverSpec } from '../../tests/samples.ts'
import { quoteKickstart } from '../quote/kickstart.ts'
import { autoinstallNetwork } from './autoinstall.ts'
import { renderAnswer } from './render.ts'

test('Python’s shlex reads back what a kickstart quotes', async (t) => {
  const word = fc.string({ unit: fc.constantFrom(...`'"\\$#;ab é=@`) })
  const words = fc.sample(word, { seed: 3, numRuns: 300 })
  const program = [
    'import json, shlex, sys',
    'lines = json.load(sys.stdin)',
    'print(json.dumps([shlex.split(line, comments=True) for line in lines]))',
  ].join('\n')
  const input = JSON.stringify(words.map((text) => `user --name=${quoteKickstart(text)}`))
  const { stdout } = await run('python3', ['-c', program], { input, timeoutMs: 60_000 })
  t.deepEqual(
    JSON.parse(stdout),
    words.map((text) => ['user', `--name=${text}`]),
  )
})

test('debconf takes the answers for Debian 12 and 13 without a word, and a wrong type not', async (t) => {
  await inFolder(async (folder) => {
    const config = join(folder, 'debconf.conf')
    const driver = (name: string): string =>
      `Name: ${name}\nDriver: File\nFilename: ${join(folder, name)}\n`
    await writeFile(
      config,
      ['Config: configdb\nTemplates: templatedb\n', driver('configdb'), driver('templatedb')].join(
        '\n',
      ),
    )
    const check = async (answer: string): Promise<string> => {
      const file = join(folder, 'preseed.cfg')
      await writeFile(file, answer)
      const { stderr } = await run('debconf-set-selections', ['-c', file], {
        timeoutMs: 60_000,
        acceptedExitCodes: [1],
        // Without a locale of its own Perl warns on the same stream.
        environment: { DEBCONF_SYSTEMRC: config, LC_ALL: 'C' },
      })
      return stderr
    }
    for (const target of ['debian-12', 'debian-13'] as const) {
      const answers = answersOf(target)
      t.is(answers.length, 4)
      t.is(await check(answers.join('')), '')
    }
    t.not(await check('d-i passwd/root-login bolean false\n'), '')
  })
})

test('netplan takes the network of an autoinstall, and refuses a wrong key', async (t) => {
  await inFolder(async (folder) => {
    const { inputs } = requestOf('ubuntu-24.04', serverSpec, 'bios')
    const network = autoinstallNetwork(inputs)
    const check = async (value: unknown): Promise<number> => {
      await mkdir(join(folder, 'etc/netplan'), { recursive: true })
      const file = join(folder, 'etc/netplan/boot.yaml')
      await writeFile(file, JSON.stringify({ network: value }), { mode: 0o600 })
      const { exitCode } = await run('netplan', ['generate', '--root-dir', folder], {
        timeoutMs: 60_000,
        acceptedExitCodes: [1, 78],
      })
      return exitCode
    }
    t.is(await check(network), 0)
    const unit = join(folder, 'run/systemd/network/10-netplan-boot.network')
    t.true((await stat(unit)).isFile())
    t.not(await check({ ...network, ethernet: {} }), 0)
  })
})

test('a YAML reader and an XML reader get from the answers what was meant', async (t) => {
  const [ubuntu = ''] = answersOf('ubuntu-24.04')
  const [suse = ''] = answersOf('sles-15')
  const program = [
    'import json, sys, yaml, xml.etree.ElementTree as tree',
    'ubuntu, suse = json.load(sys.stdin)',
    'install = yaml.safe_load(ubuntu)["autoinstall"]',
    'space = "{http://www.suse.com/1.0/yast2ns}"',
    'hashes = [user.text for user in tree.fromstring(suse).iter(space + "user_password")]',
    'print(json.dumps([install["user-data"]["users"][0]["passwd"], hashes]))',
  ].join('\n')
  // Debian's own Python has the YAML reader that cloud-init uses; netplan brings it.
  const { stdout } = await run('/usr/bin/python3', ['-c', program], {
    input: JSON.stringify([ubuntu, suse]),
    timeoutMs: 60_000,
  })
  t.deepEqual(JSON.parse(stdout), [HASH, ['!', HASH]])
})

test('every action of an autoinstall’s storage names what stands above it', (t) => {
  const answers = [...answersOf('ubuntu-22.04'), ...answersOf('ubuntu-24.04')]
  t.is(answers.length, 12)
  for (const answer of answers) {
    const { storage } = JSON.parse(answer.replace('#cloud-config\n', '')).autoinstall
    const known = new Set<string>()
    for (const action of storage.config) {
      const named = ['device', 'volume', 'volgroup'].flatMap((key) => action[key] ?? [])
      for (const id of [...named, ...(action.devices ?? [])]) t.true(known.has(id), `${id} unknown`)
      t.false(known.has(action.id))
      known.add(action.id)
    }
  }
})

test('a shell parses the post step of every sample', async (t) => {
  for (const sample of samples) {
    for (const target of ['debian-13', 'rhel-9'] as const) {
      const rendered = renderAnswer(requestOf(target, sample, 'bios'))
      const script = rendered.ok ? (rendered.value.files[0]?.content ?? '') : '#!/bin/sh\n'
      const { stderr } = await run('sh', ['-n'], { input: script, timeoutMs: 60_000 })
      t.is(stderr, '')
      t.true(script.startsWith('#!/bin/sh\n'))
    }
  }
})
