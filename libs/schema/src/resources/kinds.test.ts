import test from 'ava'
import { z } from 'zod'
import { operations } from '../api/operations.ts'
import { macAddress, resourceName } from '../fields/names.ts'
import { isKind, kindNames, kindOfWord, kinds, storedSchemaOf } from './kinds.ts'
import { devicesOf, portName } from './port.ts'

test('every kind is found by its name, its plural and its aliases, in any case', (t) => {
  for (const kind of kindNames) {
    const { plural, aliases } = kinds[kind]
    for (const word of [
      kind,
      plural,
      plural.replaceAll('-', ''),
      plural.toUpperCase(),
      ...aliases,
    ]) {
      t.is(kindOfWord(word), kind, word)
    }
  }
  for (const word of ['', 'gateway', 'constructor']) t.is(kindOfWord(word), undefined)
  t.false(isKind('constructor'))
})

/** Kinds whose resources have calls of their own below their names. */
const EXTENDED: readonly string[] = [
  'virtual-machines',
  'security-groups',
  'storage-pools',
  'volumes',
  'snapshots',
  'machine-snapshots',
  'hosts',
]

test('no two kinds share a word, and no plural is a path of its own call', (t) => {
  const words = kindNames.flatMap((kind) => [kinds[kind].plural, ...kinds[kind].aliases])
  t.is(new Set(words).size, words.length)
  const taken = Object.values(operations).map(({ path }) => path.split('/')[2])
  for (const kind of kindNames) {
    const { plural } = kinds[kind]
    if (!EXTENDED.includes(plural)) t.false(taken.includes(plural), plural)
  }
})

test('every stored kind and every body and answer can be written as JSON Schema', (t) => {
  for (const kind of kindNames)
    t.notThrows(() => z.toJSONSchema(storedSchemaOf(kind), { io: 'input' }), kind)
  for (const [name, operation] of Object.entries(operations)) {
    for (const schema of [
      'body' in operation ? operation.body : undefined,
      'answer' in operation ? operation.answer : undefined,
    ]) {
      if (schema !== undefined) t.notThrows(() => z.toJSONSchema(schema, { io: 'input' }), name)
    }
  }
})

test('no two calls share a method and path, and a call without an answer says its type', (t) => {
  const calls = Object.values(operations)
  const places = calls.map(({ method, path }) => `${method} ${path}`)
  t.is(new Set(places).size, places.length)
  for (const call of calls) {
    t.true('answer' in call || 'answerType' in call || call.status === 101, call.path)
  }
})

test('names are DNS labels, MACs those of one station, in lower case', (t) => {
  for (const name of ['a', 'web-1', '0', 'a'.repeat(63)])
    t.true(resourceName.safeParse(name).success, name)
  for (const name of ['', '-a', 'a-', 'A', 'a_b', 'a.b', 'a'.repeat(64), 'a\n']) {
    t.false(resourceName.safeParse(name).success, JSON.stringify(name))
  }
  t.is(macAddress.parse('52:54:00:AB:CD:EF'), '52:54:00:ab:cd:ef')
  for (const mac of ['01:00:5e:00:00:01', '52-54-00-12-34-56', '52:54:00:12:34']) {
    t.false(macAddress.safeParse(mac).success, mac)
  }
  t.true(portName.safeParse('web-1.eth0').success)
  t.false(portName.safeParse('web-1').success)
})

test('device names of a port fit the kernel’s 15 characters and differ', (t) => {
  const names = Object.values(devicesOf('0123abcd'))
  t.is(new Set(names).size, 4)
  for (const name of names) t.true(name.length <= 15, name)
})
