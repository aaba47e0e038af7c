/** A chart of the last hours, drawn by uPlot. The same figures stand in a table below, for whoever cannot see a drawing. */
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

import { useWords } from './words.ts'

const HEIGHT = 200

interface Line {
  label: string
  values: (number | null)[]
}

export function Chart({ title, at, lines }: { title: string; at: number[]; lines: Line[] }): JSX.Element {
  const place = useRef<HTMLDivElement>(null)
  const { language } = useWords()
  const data = JSON.stringify([at, ...lines.map(({ values }) => values)])
  useEffect(() => {
    const { current } = place
    if (current === null) return undefined
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    let chart: uPlot | undefined
    const draw = (): void => {
      chart?.destroy()
      const style = getComputedStyle(document.documentElement)
      const colour = (name: string): string => style.getPropertyValue(name).trim()
      const axis = { stroke: colour('--text'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line') } }
      const options: uPlot.Options = {
        width: Math.max(200, current.clientWidth),
        height: HEIGHT,
        cursor: { show: false },
        legend: { show: false },
        scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
        axes: [{ ...axis, values: (_, splits) => splits.map((s) => new Intl.DateTimeFormat(language === 'ar' ? 'ar-AE' : 'en-GB', { hour: '2-digit', minute: '2-digit' }).format(s * 1_000)) }, { ...axis, size: 55 }],
        series: [{}, ...lines.map(({ label }, n) => ({ label, stroke: colour(n === 0 ? '--first' : '--second'), width: 2, dash: n === 0 ? [] : [6, 4], points: { show: true, size: 4 }, spanGaps: false }))],
      }
      chart = new uPlot(options, JSON.parse(data) as uPlot.AlignedData, current)
    }
    draw()
    const size = new ResizeObserver(() => chart?.setSize({ width: Math.max(200, current.clientWidth), height: HEIGHT }))
    size.observe(current)
    scheme.addEventListener('change', draw)
    return () => {
      scheme.removeEventListener('change', draw)
      size.disconnect()
      chart?.destroy()
    }
  }, [data, language])
  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        {lines.map(({ label }, n) => (
          <span key={label} class={n === 0 ? 'key first' : 'key second'}>
            {label}
          </span>
        ))}
      </figcaption>
      <div ref={place} dir="ltr" role="img" aria-label={`${title}: ${lines.map(({ label }) => label).join(', ')}`} />
    </figure>
  )
}
