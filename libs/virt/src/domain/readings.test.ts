import test from 'ava'
import { DomainReadings } from './readings.ts'

const xmlOf = (name: string) => `<domain><name>${name}</name><vcpu>1</vcpu></domain>`

test('the same XML is read once, and forgotten after a look that did not meet it', (t) => {
  const readings = new DomainReadings()
  const first = readings.read(xmlOf('a'))
  t.is(first?.name, 'a')
  t.is(readings.read(xmlOf('a')), first)
  readings.forgetOthers()
  t.is(readings.read(xmlOf('a')), first)
  readings.forgetOthers()
  readings.read(xmlOf('b'))
  readings.forgetOthers()
  t.not(readings.read(xmlOf('a')), first)
  t.is(readings.read('<domain>'), undefined)
})
