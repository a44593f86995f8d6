import test from 'ava'
import { errorCatalogue, errorEntry, httpStatusOfKind } from './catalogue.ts'
import { PurlinError, toPurlinError } from './purlin-error.ts'

test('every code is named PUR_<AREA>_<FACT>, has a sentence, and a status', (t) => {
  for (const [code, { kind, meaning }] of Object.entries(errorCatalogue)) {
    t.regex(code, /^PUR(_[A-Z0-9]+)+$/)
    t.regex(meaning, /^\S.*\.$/s, code)
    t.true(httpStatusOfKind[kind] >= 400)
  }
})

test('only codes of the catalogue have a row', (t) => {
  t.is(errorEntry('PUR_STORE_CONFLICT')?.kind, 'revision')
  for (const text of ['PUR_NONE', 'toString', '__proto__', '']) t.is(errorEntry(text), undefined)
})

test('an error becomes a problem document of RFC 9457', (t) => {
  const error = new PurlinError('PUR_INVALID', {
    message: 'manifest: 1 problem',
    problems: [{ path: 'spec.cpus', message: 'must be a number' }],
    context: { file: 'a.yaml' },
  })
  t.deepEqual(error.toProblem(), {
    type: 'urn:purlin:error:PUR_INVALID',
    title: errorCatalogue.PUR_INVALID.meaning,
    status: 422,
    detail: 'manifest: 1 problem',
    code: 'PUR_INVALID',
    problems: [{ path: 'spec.cpus', message: 'must be a number' }],
    context: { file: 'a.yaml' },
  })
  const bare = new PurlinError('PUR_INTERNAL', { message: 'x' }).toProblem()
  t.false('problems' in bare || 'context' in bare)
})

test('anything thrown becomes a typed error, and a typed one stays', (t) => {
  const own = new PurlinError('PUR_CANCELLED', { message: 'x' })
  t.is(toPurlinError(own), own)
  const foreign = new Error('broken')
  t.is(toPurlinError(foreign).code, 'PUR_INTERNAL')
  t.is(toPurlinError(foreign).cause, foreign)
  t.is(toPurlinError('text').message, 'text')
})
