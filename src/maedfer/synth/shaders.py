"""The two GLSL programs of the renderer, kept cheap: software rendering pays for every instruction."""

__all__ = ["FRAGMENT", "VERTEX"]

VERTEX = """#version 330
uniform mat3 head; uniform mat3 body; uniform vec3 pivot; uniform vec3 centre; uniform vec3 shift; uniform vec4 lens;
in vec3 position; in vec3 normal; in vec3 place; in vec3 albedo; in vec4 traits;
out vec3 v_normal; out vec3 v_place; out vec3 v_albedo; out vec4 v_traits; flat out float v_part; out vec3 v_view;
void main() {
  vec3 turned = mix(position, pivot + head * (position - pivot), traits.w);
  vec3 seen = body * (turned - centre) + shift;
  v_normal = body * mix(normal, head * normal, traits.w);
  v_place = place; v_albedo = albedo; v_traits = traits; v_part = traits.x; v_view = -seen;
  // lens: focal length over half the width and over half the height, near and far plane
  gl_Position = vec4(lens.x * seen.x, lens.y * seen.y,
    -(lens.w + lens.z) / (lens.w - lens.z) * seen.z - 2.0 * lens.w * lens.z / (lens.w - lens.z), -seen.z);
}
"""

FRAGMENT = """#version 330
uniform sampler2D paint; uniform sampler2D creases; uniform sampler2D grain;
uniform vec4 crease; uniform vec3 hair; uniform vec3 brow; uniform vec4 frame;
uniform mat3 toward; uniform mat3 light; uniform vec3 sky; uniform vec3 ground; uniform float exposure;
in vec3 v_normal; in vec3 v_place; in vec3 v_albedo; in vec4 v_traits; flat in float v_part; in vec3 v_view;
out vec4 colour;
void main() {
  vec3 n = normalize(v_normal); vec3 eye = normalize(v_view);
  if (!gl_FrontFacing) n = -n;
  vec3 albedo = v_albedo; float gloss = v_traits.y; float part = v_part; float wrap = 0.3; float open = 1.0;
  if (part < 0.5) {
    float fine = texture(grain, v_place.xy * 0.9 + v_place.z * 0.4).r;
    albedo *= 0.82 + 0.36 * fine;
    if (v_place.z > -0.45) {
      vec2 uv = (v_place.xy - frame.xy) / frame.zw;
      vec4 layer = texture(paint, uv);
      float fold = clamp(dot(texture(creases, uv), crease), 0.0, 1.3);
      albedo *= vec3(1.0) - layer.a * vec3(0.0, 0.22, 0.2) - layer.b * vec3(0.12, 0.2, 0.22);
      float tuft = max(layer.r * 0.92, layer.g * 0.65);
      albedo = mix(albedo, brow, tuft); gloss *= 1.0 - tuft;
      albedo *= 1.0 - fold * vec3(0.42, 0.5, 0.52);
    }
    float hairy = smoothstep(0.42, 0.58, v_traits.z + 0.5 * (fine - 0.5));
    float strand = texture(grain, vec2(v_place.x * 2.6 + v_place.z * 2.2, v_place.y * 0.35)).r;
    albedo = mix(albedo, hair * (0.45 + 1.1 * strand), hairy);
    gloss = mix(gloss, 0.3, hairy);
  } else if (part < 1.5) {
    float r = length(v_place.xy); float w = fwidth(r) + 0.03;
    albedo = vec3(0.48, 0.46, 0.44) * (1.0 - 0.25 * smoothstep(0.4, 1.0, r));
    vec3 iris = v_albedo * (0.6 + 1.1 * smoothstep(0.2, 0.45, r)) * (1.0 - 0.6 * smoothstep(0.4, 0.5, r));
    albedo = mix(iris, albedo, smoothstep(0.5 - w, 0.5 + w, r));
    albedo = mix(vec3(0.005), albedo, smoothstep(0.2 - w, 0.2 + w, r));
    open = 1.0 - 0.55 * smoothstep(0.15, 0.75, v_place.y);
  } else if (part > 4.5 && part < 5.5) {
    float strand = texture(grain, vec2(atan(v_place.x, -v_place.z - 0.7) * 1.9, v_place.y * 0.12)).r;
    albedo *= 0.35 + 1.3 * strand;
  } else if (part > 5.5) {
    albedo *= 0.8 + 0.4 * texture(grain, v_place.xy * vec2(3.0, 0.6)).r;
  }
  vec3 lit = mix(ground, sky, 0.5 + 0.5 * n.y); vec3 shine = vec3(0.0);
  float sharp = mix(14.0, 160.0, gloss * gloss); float strong = mix(0.05, 0.9, gloss * gloss * gloss);
  for (int k = 0; k < 3; k++) {
    float facing = dot(n, toward[k]);
    lit += light[k] * max((facing + wrap) / (1.0 + wrap), 0.0);
    float mirror = max(dot(n, normalize(toward[k] + eye)), 0.0);
    if (k < 2) shine += light[k] * pow(mirror, sharp) * strong * step(0.0, facing);
  }
  vec3 c = (albedo * lit * open + shine) * exposure;
  float rim = 1.0 - max(dot(n, eye), 0.0);
  if (part < 0.5) c += albedo * light[0] * (0.12 * rim * rim * rim * exposure);
  // a square root instead of sRGB's curve: a third of the price, and no eye can tell
  colour = vec4(sqrt(c * 1.12 / (1.0 + 0.25 * c)), 1.0);
}
"""
