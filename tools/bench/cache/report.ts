import { aligned } from '../../sandbox/up/table.ts'
import { goals, type Judgement } from './judgement.ts'

/** The judgement for people. Pure. */
export function reportLines({
  cases,
  means,
  worstExcess,
  casesOverGoal,
  flashWriteRatio,
}: Judgement): readonly string[] {
  const rows = cases.map((one) => [
    one.trace,
    `${one.percent} %`,
    one.missRatio.toFixed(3),
    one.best.missRatio.toFixed(3),
    one.best.policy,
    one.beladyMissRatio.toFixed(3),
    one.flashWriteRatio.toFixed(3),
    one.metadataBytesPerPage.toFixed(1),
  ])
  const head = ['trace', 'size', 'purlin', 'best', '', 'belady', 'writes/LRU', 'bytes a page']
  const said = (met: boolean) => (met ? 'met' : 'missed')
  const ours = means.find(({ policy }) => policy === 'purlin')?.missRatio ?? 1
  const others = means.filter(({ policy }) => policy !== 'purlin' && policy !== 'belady')
  return [
    ...aligned([head, ...rows]),
    '',
    'geometric means of the miss ratios:',
    ...aligned(means.map(({ policy, missRatio }) => [policy, missRatio.toFixed(4)])),
    '',
    `lowest geometric mean: ${said(others.every(({ missRatio }) => ours < missRatio))}`,
    `no case worse than the best by more than ${goals.excessMax}: ${said(casesOverGoal === 0)}` +
      ` (worst ${worstExcess.toFixed(3)}, over it ${casesOverGoal} of ${cases.length})`,
    `flash writes at most ${goals.flashWriteRatioMax} of LRU's: ` +
      `${said(flashWriteRatio.mean <= goals.flashWriteRatioMax)}` +
      ` (mean ${flashWriteRatio.mean.toFixed(3)}, together ${flashWriteRatio.together.toFixed(3)})`,
  ]
}
