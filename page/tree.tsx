/** HL7 as a tree: segments, fields with their names, repetitions, components. Everything is text; nothing is interpreted. */
import type { JSX } from 'preact'

import { fieldName, segmentName } from './names.ts'
import { Data } from './parts.tsx'
import type { Content } from './types.ts'
import { useWords } from './words.ts'

const PARTS_MAX = 100

export function Tree({ content }: { content: Content }): JSX.Element {
  const { say, number } = useWords()
  const counts = new Map<string, number>()
  return (
    <div class="tree">
      <p>
        {say('bytes', { n: number(content.bytes) })}
        {content.utf8 ? '' : ` · ${say('notUtf8')}`}
      </p>
      {content.segments.map(({ name, fields, more }, n) => {
        const nth = (counts.get(name) ?? 0) + 1
        counts.set(name, nth)
        return (
          <details key={n} open>
            <summary dir="ltr">
              <strong>
                {name}
                {nth > 1 ? `[${nth}]` : ''}
              </strong>{' '}
              {segmentName(name)}
            </summary>
            <dl dir="ltr">
              {fields.map((each) => (
                <div key={each.n}>
                  <dt>
                    <Data>
                      {name}-{each.n}
                    </Data>{' '}
                    <span lang="en">{fieldName(name, each.n)}</span>
                  </dt>
                  <dd>
                    <Value text={each.text} plain={name === 'MSH' && each.n <= 2} separators={content.separators} />
                    {each.characters === undefined ? null : <em dir="auto"> … {say('cut', { n: number(each.characters) })}</em>}
                  </dd>
                </div>
              ))}
            </dl>
            {more > 0 ? <p>…</p> : null}
          </details>
        )
      })}
      {content.more > 0 ? <p>{say('moreSegments', { n: number(content.more) })}</p> : null}
    </div>
  )
}

function Value({ text, plain, separators }: { text: string; plain: boolean; separators: Content['separators'] }): JSX.Element {
  const { repetition, component } = separators
  const repetitions = plain ? [text] : text.split(repetition).slice(0, PARTS_MAX)
  const isSimple = repetitions.length === 1 && (plain || !text.includes(component))
  if (isSimple) return <bdi>{text}</bdi>
  return (
    <>
      {repetitions.map((each, r) => (
        <ul key={r} class="components">
          {each
            .split(component)
            .slice(0, PARTS_MAX)
            .map((part, c) =>
              part === '' ? null : (
                <li key={c}>
                  <small>.{c + 1}</small> <bdi>{part}</bdi>
                </li>
              ),
            )}
        </ul>
      ))}
    </>
  )
}
