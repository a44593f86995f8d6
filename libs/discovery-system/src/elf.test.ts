import { readFile } from 'node:fs/promises'
import test from 'ava'
import { neededLibraries } from './elf.ts'

test('a program names its libraries and its loader', async (t) => {
  const { libraries, loader } = neededLibraries(await readFile('/bin/sh'))
  t.true(libraries.some((name) => name.startsWith('libc.so')))
  t.regex(loader ?? '', /\/ld-linux/)
})

test('a script and a short file need nothing', (t) => {
  for (const bytes of [Buffer.from('#!/bin/sh\n'), Buffer.alloc(0), Buffer.from('\x7fELF')]) {
    t.deepEqual(neededLibraries(bytes), { libraries: [], loader: undefined })
  }
})
