import test from 'ava'
import { isDebianLike, missingPackages, packagesOf } from './debian-packages.ts'

test('a package is missing unless dpkg calls it installed', (t) => {
  const listing =
    'gcc installed\nlibc6-dev:amd64 installed\nrpm config-files\nkmod half-configured\n'
  t.deepEqual(missingPackages(['gcc', 'libc6-dev', 'rpm', 'kmod', 'lz4'], listing), [
    'rpm',
    'kmod',
    'lz4',
  ])
})

test('a package in two sets is named once', (t) => {
  const names = packagesOf(['guest', 'packaging'])
  t.is(names.filter((name) => name === 'binutils').length, 1)
})

test('no set brings libvirtd’s own service to the host', (t) => {
  t.false(packagesOf(['sandbox', 'build', 'guest', 'packaging']).includes('libvirt-daemon-system'))
})

test('Debian and what is made of it are told from others', (t) => {
  t.true(isDebianLike('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n'))
  t.true(isDebianLike('ID=ubuntu\nID_LIKE=debian\n'))
  t.true(isDebianLike('ID=other\nID_LIKE="ubuntu debian"\n'))
  t.false(isDebianLike('ID=fedora\n'))
  t.false(isDebianLike(''))
})
