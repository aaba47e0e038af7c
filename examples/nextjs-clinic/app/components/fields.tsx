interface TextProps {
  name: string
  label: string
  initial?: string
  type?: 'text' | 'date' | 'number'
  step?: string
  optional?: boolean
}

export function Text({ name, label, initial, type = 'text', step, optional = false }: TextProps) {
  return (
    <label>
      {label}
      <input name={name} type={type} step={step} defaultValue={initial} required={!optional} autoComplete="off" />
    </label>
  )
}

export function Choice({ name, label, options }: { name: string; label: string; options: [value: string, text: string][] }) {
  return (
    <label>
      {label}
      <select name={name}>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}
