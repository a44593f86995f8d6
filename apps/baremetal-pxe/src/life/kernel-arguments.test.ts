import { installerTargets } from '@purlin/deployment-template'
import test from 'ava'
import { MAC, preparedInstall } from '../../tests/support/lives.ts'
import { discoveryArguments, installerArguments } from './kernel-arguments.ts'

const reach = {
  nodeUrl: 'http://10.88.0.1:8088/node/AAAAAAAAAAAAAAAAAAAAAA',
  serverUrl: 'http://10.88.0.1:8088',
  bootMac: MAC,
  consoles: ['ttyS0,115200'],
}

test('every family is told where answers and media are, and asks nobody', (t) => {
  const lines = installerTargets.map((target) => {
    if (preparedInstall.path !== 'install') return ''
    const prepared = { ...preparedInstall, target, stage: '/media/os/stage', answer: 'answer' }
    return `${target}: ${installerArguments(prepared, reach).join(' ')}`
  })
  t.snapshot(lines)
  t.snapshot(discoveryArguments(reach, 1_800_000_007_900).join(' '))
})

test('each argument is one word that no loader takes apart', (t) => {
  for (const target of installerTargets) {
    if (preparedInstall.path !== 'install') return
    for (const word of installerArguments({ ...preparedInstall, target }, reach)) {
      t.regex(word, /^[!-~]+$/)
      // iPXE puts settings in for these, and takes lone signs for the end of a command.
      t.notRegex(word, /\$\{|^(;|&&|\|\|)$|["'\\]/)
    }
  }
})
