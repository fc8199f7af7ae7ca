"""The two GLSL programs of the renderer, kept cheap: software rendering pays for every instruction."""

__all__ = ["FRAGMENT", "VERTEX"]

VERTEX = """#version 330
uniform mat3 head; uniform mat3 body; uniform vec3 pivot; uniform vec3 centre; uniform vec3 shift; uniform vec4 lens;
in vec3 position; in vec3 normal; in vec3 place; in vec3 albedo; in vec4 traits; in float lit;
out vec3 v_normal; out vec3 v_place; out vec3 v_albedo; out vec4 v_traits; flat out float v_part; out vec3 v_view;
void main() {
  vec3 turned = mix(position, pivot + head * (position - pivot), traits.w);
  vec3 seen = body * (turned - centre) + shift;
  v_normal = body * mix(normal, head * normal, traits.w);
  v_place = place; v_albedo = albedo; v_traits = vec4(traits.xyz, lit); v_part = traits.x; v_view = -seen;
  // lens: focal length over half the width and over half the height, near and far plane
  gl_Position = vec4(lens.x * seen.x, lens.y * seen.y,
    -(lens.w + lens.z) / (lens.w - lens.z) * seen.z - 2.0 * lens.w * lens.z / (lens.w - lens.z), -seen.z);
}
"""

FRAGMENT = """#version 330
uniform sampler2D paint; uniform sampler2D creases; uniform sampler2D lines; uniform sampler2D grain;
uniform vec4 crease; uniform vec4 line; uniform vec3 hair; uniform vec3 brow; uniform vec4 frame; uniform vec4 surface;
uniform mat3 toward; uniform mat3 light; uniform vec3 sky; uniform vec3 ground; uniform float exposure;
in vec3 v_normal; in vec3 v_place; in vec3 v_albedo; in vec4 v_traits; flat in float v_part; in vec3 v_view;
out vec4 colour;
void main() {
  vec3 n = normalize(v_normal); vec3 eye = normalize(v_view);
  if (!gl_FrontFacing) n = -n;
  vec3 albedo = v_albedo; float gloss = v_traits.y; float part = v_part; float open = 1.0; float cover = 1.0;
  vec3 wrap = vec3(0.25);
  // one fetch serves skin, curtains of hair and cloth; their coordinates differ
  vec2 at = part < 0.5 ? v_place.xy * 0.9 + v_place.z * 0.4
    : part < 5.5 ? v_place.xy * vec2(1.9, 0.12) : v_place.xy * vec2(3.0, 0.6);
  float fine = texture(grain, at).r;
  if (part < 0.5) {
    vec2 uv = (v_place.xy - frame.xy) / frame.zw;
    float front = step(-0.45, v_place.z);
    vec4 layer = texture(paint, uv);
    float fold = clamp(dot(texture(creases, uv), crease) + dot(texture(lines, uv), line), 0.0, 1.4) * front;
    albedo *= mix(vec3(1.0), layer.rgb * 1.25, front) * (1.0 + surface.x * (fine - 0.5));
    float tuft = layer.a * front;
    albedo = mix(albedo, brow, tuft * 0.95); gloss *= 1.0 - tuft;
    albedo *= 1.0 - fold * vec3(0.26, 0.34, 0.36);
    // a crease is a valley: its walls turn away from and to the light
    n = normalize(n + surface.y * vec3(dFdx(fold), dFdy(fold), 0.0));
    float hairy = smoothstep(0.43, 0.57, v_traits.z + surface.w * (fine - 0.5));
    float strand = texture(grain, vec2(v_place.x * 2.6 + v_place.z * 2.2, v_place.y * surface.z)).r;
    albedo = mix(albedo, hair * (0.45 + 1.1 * strand), hairy);
    gloss = mix(gloss, 0.3, hairy);
    wrap = mix(vec3(0.46, 0.3, 0.24), wrap, hairy);
  } else if (part < 1.5) {
    float r = length(v_place.xy); float w = fwidth(r) + 0.03;
    albedo = mix(vec3(0.50, 0.475, 0.455), vec3(0.40, 0.28, 0.26), smoothstep(0.55, 1.0, abs(v_place.x)));
    vec3 iris = v_albedo * (0.6 + 1.2 * smoothstep(0.2, 0.45, r)) * (1.0 - 0.7 * smoothstep(0.42, 0.52, r));
    albedo = mix(iris, albedo, smoothstep(0.5 - w, 0.5 + w, r));
    albedo = mix(vec3(0.004), albedo, smoothstep(0.2 - w, 0.2 + w, r));
    open = 0.92 - 0.55 * smoothstep(0.1, 0.75, v_place.y);
  } else if (part > 4.5 && part < 5.5) {
    albedo *= 0.35 + 1.3 * fine;
  } else if (part > 5.5) {
    albedo *= 0.8 + 0.4 * fine;
    cover = part > 6.5 ? v_traits.z : 1.0;
  }
  vec3 lit = mix(ground, sky, 0.5 + 0.5 * n.y); vec3 shine = vec3(0.0);
  float sharp = 1.44 * mix(14.0, 160.0, gloss * gloss); float strong = mix(0.04, 0.9, gloss * gloss * gloss);
  for (int k = 0; k < 3; k++) {
    float facing = dot(n, toward[k]); float reach = k == 0 ? v_traits.w : 1.0;
    // some red light goes through the skin into the shadow
    vec3 through = reach + (1.0 - reach) * 0.22 * wrap;
    lit += light[k] * through * max((facing + wrap) / (1.0 + wrap), vec3(0.0));
    // an exponential of the cosine instead of its power: half the price
    float mirror = exp2(sharp * (dot(n, normalize(toward[k] + eye)) - 1.0));
    if (k < 2) shine += light[k] * (mirror * strong * reach * step(0.0, facing));
  }
  // what a pane reflects of the sky, or of a bright window before it
  if (part > 6.5) shine += sky * (0.03 + 0.22 * smoothstep(0.12, 0.3, n.y + 0.6 * n.x));
  vec3 c = (albedo * lit * open + shine) * exposure;
  float rim = 1.0 - max(dot(n, eye), 0.0);
  if (part < 0.5) c += albedo * light[0] * (0.12 * rim * rim * rim * exposure);
  cover = clamp(cover + (1.0 - cover) * dot(shine, vec3(0.3)), 0.0, 1.0);
  // a square root instead of sRGB's curve: a third of the price, and no eye can tell
  colour = vec4(sqrt(c * 1.12 / (1.0 + 0.25 * c)) * cover, cover);
}
"""
