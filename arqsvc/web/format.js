// Numbers for people: three significant digits, U+202F before units and between groups of digits, – for unknown.

const THIN = "\u202f";
const TIMES = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

export const count = (n) => (n == null ? "–" : String(n).replace(/\B(?=(\d{3})+$)/g, THIN));

export const basePairs = (n) => scaled(n, 1000, ["bp", "kb", "Mb", "Gb"]);

export const bytes = (n) => scaled(n, 1024, ["B", "KiB", "MiB", "GiB"]);

function scaled(n, base, units) {
  if (n == null) return "–";
  let [value, unit] = [n, 0];
  while (unit < units.length - 1 && Math.max(value, value.toPrecision(3)) >= base) {
    value /= base;
    unit += 1;
  }
  const rounded = Number(value.toPrecision(3));
  const decimals = rounded >= 100 ? 0 : rounded >= 10 ? 1 : 2;
  return (unit ? rounded.toFixed(decimals) : count(n)) + THIN + units[unit];
}

/** A fraction 0..1 in percent; 100 % is said of 1 alone. */
export function percent(fraction) {
  if (fraction == null) return "–";
  if (fraction > 0 && fraction < 0.001) return `<${THIN}0.1${THIN}%`;
  const decimals = fraction === 0 || fraction === 1 ? 0 : 1;
  return (fraction === 1 ? 100 : Math.min(99.9, 100 * fraction)).toFixed(decimals) + THIN + "%";
}

export function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 10) return `${Math.max(0, seconds).toFixed(1)}${THIN}s`;
  const at = TIMES.findIndex(([, length]) => whole >= length);
  const [[unit, length], smaller] = [TIMES[at], TIMES[at + 1]];
  const rest = smaller && String(Math.floor((whole % length) / smaller[1])).padStart(2, "0");
  return [Math.floor(whole / length), unit, ...(smaller ? [rest, smaller[0]] : [])].join(THIN);
}

export function age(seconds) {
  if (seconds < 60) return "just now";
  const [unit, length] = TIMES.find((time) => seconds >= time[1]);
  return `${Math.floor(seconds / length)}${THIN}${unit} ago`;
}

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");
