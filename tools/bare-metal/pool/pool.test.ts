import test from 'ava'
import { firstArchive } from '../archive.ts'
import { isNeeded, isWanted } from './contents.ts'
import { recipeOf } from './recipes.ts'
import { readStanzas } from './stanza.ts'

const KERNEL = '6.12.107+deb13-amd64'

test('paragraphs have their fields by name, folded lines with them', (t) => {
  const [first, second, ...more] = readStanzas(
    'Package: a\nDepends: b (>= 1:2),\n c\nVersion: 1:2-3\n\nPackage: b\n\n',
  )
  t.deepEqual(first?.get('Depends'), 'b (>= 1:2),\n c')
  t.is(first?.get('Version'), '1:2-3')
  t.is(second?.get('Package'), 'b')
  t.deepEqual(more, [])
})

test('modules of another kernel and what a graphical installer needs stay away', (t) => {
  t.true(isWanted(`ext4-modules-${KERNEL}-di`, KERNEL))
  t.false(isWanted('ext4-modules-6.12.90+deb13-amd64-di', KERNEL))
  t.false(isWanted('libgtk2.0-0-udeb', KERNEL))
})

test('what an installation cannot do without is an error where there is no recipe', (t) => {
  t.true(isNeeded('partman-lvm'))
  t.true(isNeeded('grub-installer'))
  t.false(isNeeded(`sound-modules-${KERNEL}-di`))
  t.is(recipeOf('partman-lvm', KERNEL), undefined)
})

test('missing modules are made of the kernel’s own package, and found by depmod', (t) => {
  const recipe = recipeOf(`md-modules-${KERNEL}-di`, KERNEL)
  t.is(recipe?.parts[0]?.package, `linux-image-${KERNEL}`)
  t.true(recipe?.parts[0]?.paths.every((path) => path.startsWith(`usr/lib/modules/${KERNEL}/`)))
  t.regex(recipe?.afterwards ?? '', /depmod -a/)
})

test('the mirror is the first one of a whole release', (t) => {
  const targets = 'bookworm-security http://a.test/security/\nbookworm http://b.test/debian/\n'
  t.is(firstArchive(targets), 'http://b.test/debian/')
  t.is(firstArchive('jammy http://c.test/ubuntu/\n'), undefined)
})
