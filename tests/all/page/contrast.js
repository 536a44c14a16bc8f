// Return how many texts were checked, and those whose contrast is below WCAG AA: [text, ratio].
(() => {
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const pixel = (...colors) => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) {
      context.fillStyle = color;
      context.fillRect(0, 0, 1, 1);
    }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const grounds = (element) => {
    const found = [];
    for (let each = element; each; each = each.parentElement) found.unshift(getComputedStyle(each).backgroundColor);
    return found;
  };
  const low = [];
  let checked = 0;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !element.checkVisibility() || ["SCRIPT", "OPTION", "TITLE", "title"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const svg = element.tagName === "text";
    const box = svg && element.parentElement.querySelector(":scope > .box");
    const under = [...grounds(element), ...(box ? [getComputedStyle(box).fill] : [])];
    const a = luminance(pixel(...under, svg ? style.fill : style.color));
    const b = luminance(pixel(...under));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    checked += 1;
    if (ratio < (large ? 3 : 4.5)) low.push([element.textContent.trim().slice(0, 40), Math.round(ratio * 100) / 100, style.color]);
  }
  return [checked, low];
})()
