"""The pictures of a genome: values in, SVG files out; `panels.draw_panels` draws them all."""
