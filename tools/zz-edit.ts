import { readFileSync } from 'node:fs'
import { createClient } from '@purlin/sdk'

const up = JSON.parse(readFileSync('.purlin/up.json', 'utf8'))
const c = createClient({ socketPath: up.socket ?? up.socketPath })
const app = await c.securityGroups.get('app')
const t: number[] = []
const a1: number[] = []
for (let i = 0; i < Number(process.env.N ?? 60); i++) {
  const spec = structuredClone(app.spec)
  const r = spec.inbound[0]
  if (r) r.ports = [String(9000 + i)]
  const a = performance.now()
  const h = await c.securityGroups.put({ kind: 'SecurityGroup', name: 'app', spec })
  a1.push(performance.now() - a)
  await h.wait()
  t.push(performance.now() - a)
}
const s = (x: number[]) => {
  const y = x.toSorted((p, q) => p - q)
  return `p50 ${y[30]?.toFixed(1)} p90 ${y[54]?.toFixed(1)} max ${y[59]?.toFixed(1)}`
}
console.log('accepted', s(a1))
console.log('done', s(t))
await (await c.apply([{ kind: 'SecurityGroup', name: 'app', spec: app.spec }])).wait()
await c.close()
