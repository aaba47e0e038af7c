// Spans as the tests look at them.

const ms = ([seconds, nanos]) => seconds * 1_000 + nanos / 1e6

/** What is looked at of a finished span. */
export function shown(span) {
  return {
    scope: span.instrumentationScope.name,
    name: span.name,
    kind: span.kind,
    traceId: span.spanContext().traceId,
    spanId: span.spanContext().spanId,
    parent: span.parentSpanContext?.spanId ?? null,
    startMs: ms(span.startTime),
    endMs: ms(span.endTime),
    status: span.status,
    attributes: span.attributes,
    events: span.events.length,
  }
}

/** The spans that a program wrote. */
export function spansOf(program) {
  return program.lines.filter((line) => line.startsWith('span ')).map((line) => JSON.parse(line.slice(5)))
}
