import { run } from '@purlin/base'
import test from 'ava'
import { answerOf, golden } from '../../tests/golden.ts'
import { mirroredSpec, plainSpec, serverSpec } from '../../tests/samples.ts'

test('volumes', golden, 'ubuntu-22.04', serverSpec, 'bios')

test('ubuntu-24.04 on uefi, mirrors: the storage is the golden one', (t) => {
  const answer = answerOf('ubuntu-24.04', mirroredSpec, 'uefi')
  t.snapshot(JSON.parse(answer.replace('#cloud-config\n', '')).autoinstall.storage)
})

test('the lasting name of a disk becomes the kernel’s where it ends a line, and nowhere else', async (t) => {
  const { autoinstall } = JSON.parse(
    answerOf('ubuntu-24.04', plainSpec, 'bios').replace('#cloud-config\n', ''),
  )
  const link = '/dev/disk/by-id/nvme-eui.0025388b71b0a1b2'
  const [, , command = ''] = autoinstall['early-commands'].find((words: readonly string[]) =>
    words[2]?.includes('sed -i'),
  )
  const program = command.slice(command.indexOf("'s|"), command.indexOf(' /autoinstall.yaml'))
  const input = [`path: ${link}`, `"path": "${link}",`, `path: ${link}-part1`, 'eui00025'].join(
    '\n',
  )
  const script = `readlink() { echo /dev/nvme0n1; }\nsed -E ${program}`
  const { stdout } = await run('bash', ['-c', script], { input, timeoutMs: 60_000 })
  t.deepEqual(stdout.split('\n'), [
    'path: /dev/nvme0n1',
    '"path": "/dev/nvme0n1",',
    `path: ${link}-part1`,
    'eui00025',
  ])
})
