import test from 'ava'
import { csvLine, readCsv } from './csv.ts'

function texts(text: string): string[][] | number {
  const read = readCsv(text)
  return 'fault' in read ? read.fault : read.records.map((row) => row.map((field) => field.text))
}

test('fields stand between commas, records between line ends of any kind', (t) => {
  t.deepEqual(texts('a,b\r\nc,\n\nd'), [['a', 'b'], ['c', ''], ['d']])
  t.deepEqual(texts('\uFEFFa\n'), [['a']])
  t.deepEqual(texts(''), [])
})

test('quotes hold commas, line ends and doubled quotes; a quoted nothing is an empty text', (t) => {
  t.deepEqual(texts('"a,""b""\n",c'), [['a,"b"\n', 'c']])
  const read = readCsv('"",\n')
  t.deepEqual('records' in read && read.records[0]?.map(({ quoted }) => quoted), [true, false])
})

test('a record knows the line on which it begins', (t) => {
  const read = readCsv('a\n"b\nc"\nd\n')
  t.deepEqual('records' in read && read.records.map(([field]) => field?.line), [1, 2, 4])
})

test('a quote out of place is told with its line', (t) => {
  t.is(texts('a\nb"c\n'), 2)
  t.is(texts('a\n"b\n'), 2)
  t.is(texts('"a"b\n'), 1)
})

test('a line is written so that it is read back the same', (t) => {
  t.is(csvLine(['a', undefined, '', 'b,"c"']), 'a,,"","b,""c"""\n')
})
