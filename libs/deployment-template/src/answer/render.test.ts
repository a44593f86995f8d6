import test from 'ava'
import { mirroredSpec, plainSpec, requestOf, serverSpec } from '../../tests/samples.ts'
import { renderAnswer } from './render.ts'

test('the post step is the same on the families of one network service', (t) => {
  const scripts = (['debian-13', 'ubuntu-24.04', 'rhel-9', 'sles-15', 'sles-16'] as const).map(
    (target) => {
      const rendered = renderAnswer(requestOf(target, serverSpec, 'bios'))
      return rendered.ok ? rendered.value.files[0]?.content : ''
    },
  )
  const [debian, ubuntu, rhel, ...suse] = scripts
  t.is(debian, ubuntu)
  t.deepEqual(suse, [rhel, rhel])
  t.not(debian, rhel)
  t.snapshot(debian)
})

test('Debian’s installer refuses what partman cannot lay out, each with its path', (t) => {
  const rendered = renderAnswer(requestOf('debian-13', mirroredSpec, 'bios'))
  t.deepEqual(rendered.ok ? [] : rendered.error.map(({ path }) => path), [
    'disks[1]',
    'raid[0]',
    'raid[1]',
  ])
})

test('a kickstart refuses BIOS on two gpt disks, because it can name one boot partition', (t) => {
  const rendered = renderAnswer(requestOf('rhel-9', mirroredSpec, 'bios'))
  t.deepEqual(rendered.ok ? [] : rendered.error.map(({ path, message }) => `${path}: ${message}`), [
    'disks[1]: a kickstart starts BIOS from one gpt disk, this would be another; boot by UEFI or deploy it from an image instead',
  ])
})

test('no answer goes to a machine on which nobody could log in, and no plain password', (t) => {
  const request = requestOf('rhel-9', { ...plainSpec, users: [] }, 'bios')
  const nobody = renderAnswer(request)
  t.deepEqual(nobody.ok ? [] : nobody.error.map(({ path }) => path), ['users'])
  const named = requestOf('rhel-9', serverSpec, 'bios')
  const users = [{ name: 'ops', passwordHash: 'hunter2', sshKeys: [], sudo: true }]
  const plain = renderAnswer({ ...named, inputs: { ...named.inputs, users } })
  t.deepEqual(plain.ok ? [] : plain.error.map(({ path }) => path), ['users[0].passwordHashFile'])
  t.false(JSON.stringify(plain).includes('hunter2'))
})
